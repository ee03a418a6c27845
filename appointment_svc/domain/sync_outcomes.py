"""What each action of the calendar synchronisation writes: one pure function for each action of the decision table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.calendar_sync import Intent, StoredRefusal
from appointment_svc.domain.overrides import AppointmentOverride
from appointment_svc.domain.recording import Change, record_change
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.sync_decisions import AnswerKind, CalendarAnswer, SyncAction
from appointment_svc.domain.transitions import RESCHEDULED_TOPIC, TOPICS, AppointmentStatus
from shared.contracts.http import Reservation
from shared.contracts.identity import Role
from shared.contracts.refusals import Refusal
from shared.contracts.relayed_refusals import SlotTaken

A = SyncAction
DOCTOR_AWAY = "The doctor is away."
NEEDS_DOCTOR = frozenset({A.CONFIRM_BOOKING, A.CONFIRM_MOVE, A.CONFIRM_RESTORE, A.CONFIRM_RECLAIM, A.FOLLOW})


@dataclass(frozen=True, slots=True)
class SyncStep:
    """All that an outcome is computed from. `doctor` is given for the actions in NEEDS_DOCTOR."""

    appointment: Appointment
    answer: CalendarAnswer
    change: Change
    doctor: DoctorSnapshot | None = None


def apply_action(action: SyncAction, step: SyncStep) -> Appointment:
    """Return the appointment as it must be saved; unchanged if nothing follows from the calendar's answer."""
    return OUTCOMES[action](step)


def has_unused_grant(outcome: Appointment, current: Appointment) -> bool:
    """Return True if the calendar may have granted time for an outcome that was not saved because the appointment has ended meanwhile."""
    return outcome.has_reservation and not current.has_reservation and current.sync.intent is None


def _confirm(step: SyncStep) -> Appointment:
    """The intent is fulfilled: the appointment has the time and doctor of the reservation."""
    intent, reservation = _intent(step), _reservation(step)
    sync = replace(step.appointment.sync, intent=None, revision=intent.revision)
    return replace(
        step.appointment,
        starts_at=reservation.starts_at,
        ends_at=reservation.ends_at,
        doctor=step.doctor,
        overridden=_override(step),
        sync=sync,
    )


def _confirm_booking(step: SyncStep) -> Appointment:
    status = AppointmentStatus.REQUESTED if step.appointment.service.requires_approval else AppointmentStatus.BOOKED
    booked = replace(_confirm(step), status=status, cancel_reason=None)
    return record_change(step.appointment, booked, step.change, action=status.value, topic=TOPICS[status])


def _confirm_move(step: SyncStep) -> Appointment:
    """The clinic approved the old time only: a visit that needs approval is requested again when its patient moves it."""
    moved = _confirm(step)
    if moved.service.requires_approval and step.change.actor.role is Role.PATIENT:
        moved = replace(moved, status=AppointmentStatus.REQUESTED)
    return record_change(
        step.appointment, moved, step.change, action="rescheduled", topic=RESCHEDULED_TOPIC, changed=_changes_of_doctor(step)
    )


def _confirm_restore(step: SyncStep) -> Appointment:
    restored = replace(_confirm(step), status=AppointmentStatus.BOOKED, cancel_reason=None)
    undone = ["check_in"] if step.appointment.status is AppointmentStatus.CHECKED_IN else []
    changed = [*undone, *_changes_of_doctor(step)]
    return record_change(
        step.appointment, restored, step.change, action="restored", topic=TOPICS[AppointmentStatus.BOOKED], changed=changed
    )


def _refuse_change(step: SyncStep) -> Appointment:
    """Store the refusal; the appointment stays as it was."""
    dropped = _drop_intent(step)
    stored = StoredRefusal.of(_refusal(step), _intent(step).id)
    return replace(dropped, sync=replace(dropped.sync, stored_refusal=stored))


def _refuse_booking(step: SyncStep) -> Appointment:
    refused = replace(_refuse_change(step), status=AppointmentStatus.REFUSED)
    change = replace(step.change, note=_refusal(step).code)
    return record_change(step.appointment, refused, change, action="refused", topic=None)


def _refuse_change_and_reclaim(step: SyncStep) -> Appointment:
    """Reserve the old time once more: a copy of the refused move may still be granted, and the newer request then takes it back."""
    return _refuse_change(step).with_reclaim(step.change)


def _drop_intent(step: SyncStep) -> Appointment:
    """The revision is used up, so that the calendar does not take a late copy of the request for a new one."""
    revision = max(_intent(step).revision, step.answer.revision)
    return replace(step.appointment, sync=replace(step.appointment.sync.with_revision(revision), intent=None))


def _follow(step: SyncStep) -> Appointment:
    """The clinic has moved the reservation: the appointment gets its time and doctor, whatever the cut-off."""
    reservation = _reservation(step)
    moved = replace(_note_revision(step), starts_at=reservation.starts_at, ends_at=reservation.ends_at, doctor=step.doctor, overridden=None)
    change = replace(step.change, note=DOCTOR_AWAY)
    return record_change(step.appointment, moved, change, action="rescheduled", topic=RESCHEDULED_TOPIC, changed=_changes_of_doctor(step))


def _cancel(step: SyncStep) -> Appointment:
    """The clinic has released the reservation: the appointment is cancelled, whatever the cut-off."""
    return _note_revision(step).end(AppointmentStatus.CANCELLED, replace(step.change, note=DOCTOR_AWAY))


def _note_revision(step: SyncStep) -> Appointment:
    return replace(step.appointment, sync=step.appointment.sync.with_revision(step.answer.revision))


OUTCOMES: dict[SyncAction, Callable[[SyncStep], Appointment]] = {
    A.CONFIRM_BOOKING: _confirm_booking,
    A.CONFIRM_MOVE: _confirm_move,
    A.CONFIRM_RESTORE: _confirm_restore,
    A.CONFIRM_RECLAIM: _confirm,
    A.REFUSE_BOOKING: _refuse_booking,
    A.REFUSE_BOOKING_AND_RELEASE: lambda step: _refuse_booking(step).with_release(step.change),
    A.REFUSE_CHANGE: _refuse_change,
    A.REFUSE_CHANGE_AND_RECLAIM: _refuse_change_and_reclaim,
    A.REFUSE_CHANGE_AND_RELEASE: lambda step: _refuse_change(step).with_release(step.change),
    A.DROP_INTENT: _drop_intent,
    A.FOLLOW: _follow,
    A.CANCEL: _cancel,
    A.RECLAIM: lambda step: step.appointment.with_reclaim(step.change, newer_than=step.answer.revision),
    A.RELEASE: lambda step: _note_revision(step).with_release(step.change),
    A.NOTE_REVISION: _note_revision,
    A.NOTHING: lambda step: step.appointment,
}


def _changes_of_doctor(step: SyncStep) -> list[str]:
    """Return which of the doctor's name and place the appointment has not shown before."""
    before = step.appointment.doctor
    return step.doctor.changes_since(before) if step.doctor and before else []


def _override(step: SyncStep) -> AppointmentOverride | None:
    """Return the override of the reservation; None if the calendar had to lift no rule."""
    intent, code = _intent(step), _reservation(step).override
    if code is None:
        return None
    known = [override for override in (intent.override, step.appointment.overridden) if override and override.code is code]
    return known[0] if known else AppointmentOverride(code, intent.actor, step.change.at, reason=None)


def _intent(step: SyncStep) -> Intent:
    assert step.appointment.sync.intent is not None
    return step.appointment.sync.intent


def _reservation(step: SyncStep) -> Reservation:
    assert step.answer.reservation is not None
    return step.answer.reservation


def _refusal(step: SyncStep) -> Refusal:
    """The calendar's refusal, or the one for a request that a leave made obsolete."""
    if step.answer.kind is AnswerKind.REFUSED:
        assert step.answer.refusal is not None
        return step.answer.refusal
    verb = "moved" if step.answer.kind is AnswerKind.REPLACED else "cancelled"
    return SlotTaken(f"The clinic {verb} this appointment meanwhile.", alternatives=[])
