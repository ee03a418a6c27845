"""The appointment: what was agreed, and the transitions of the visit."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from appointment_svc.domain.booking import BookingParties, BookingRequest
from appointment_svc.domain.calendar_sync import CalendarSync, Intent, IntentKind
from appointment_svc.domain.overrides import AppointmentOverride
from appointment_svc.domain.recording import Change, HistoryEntry, RecordedChange, record_change
from appointment_svc.domain.refusals import IllegalMove, TooEarly, TooLate
from appointment_svc.domain.snapshots import DoctorSnapshot, PatientSnapshot
from appointment_svc.domain.transitions import (
    AMENDED_TOPIC,
    FOLLOWS_DOCTOR,
    RESCHEDULABLE,
    RESTORABLE,
    TOPICS,
    TRANSITIONS,
    WITH_RESERVATION,
    AppointmentStatus,
    allowed_statuses,
)
from shared.contracts.events import PATIENT_CHANGED
from shared.contracts.http import Actor, Money, ServiceTypeRules, StaffOverride
from shared.contracts.identity import Caller
from shared.contracts.values import last_midnight_before, local_start


@dataclass(frozen=True, slots=True)
class Appointment:
    """`version` is public and counts the recorded changes; `row_version` counts every write; `sequence` is that of iCalendar.

    `confirmed_at` is when the patient said that they will come to the visit as it is now.
    `event_count` is the number of events about it, also of those that wait to be published; events from before they were counted are not
    included.
    `doctor` is None only while any doctor was requested and none is chosen. `former_patient_ids` are those of patients who were merged into
    the present one, to whom links were sent. `overridden` says which rule of the calendar staff have lifted for the present time.
    `unsaved_change` is for the next save and is not read back.
    """

    id: UUID
    status: AppointmentStatus
    service: ServiceTypeRules
    doctor: DoctorSnapshot | None
    patient: PatientSnapshot
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    updated_at: datetime
    reason: str | None = None
    intake: dict[str, str] | None = None
    cancel_reason: str | None = None
    confirmed_at: datetime | None = None
    former_patient_ids: tuple[UUID, ...] = ()
    overridden: AppointmentOverride | None = None
    sync: CalendarSync = field(default_factory=CalendarSync)
    history: tuple[HistoryEntry, ...] = ()
    sequence: int = 0
    event_count: int = 0
    version: int = 1
    row_version: int = 1
    unsaved_change: RecordedChange | None = None

    @classmethod
    def requested(cls, appointment_id: UUID, parties: BookingParties, request: BookingRequest, change: Change) -> Self:
        """Return a pending appointment whose time the calendar has not granted yet."""
        doctor = DoctorSnapshot.of(parties.doctor) if parties.doctor else None
        intent = Intent(
            IntentKind.BOOK,
            change.actor,
            since=change.at,
            revision=1,
            starts_at=request.starts_at,
            doctor=doctor,
            id=change.operation_id,
            hold_id=request.hold_id,
            override=AppointmentOverride.of(request.override, change.actor, change.at),
        )
        return cls(
            id=appointment_id,
            status=AppointmentStatus.PENDING,
            service=parties.service,
            doctor=doctor,
            patient=PatientSnapshot.of(parties.patient),
            starts_at=request.starts_at,
            ends_at=request.starts_at + timedelta(minutes=parties.service.duration_minutes),
            created_at=change.at,
            updated_at=change.at,
            reason=request.reason,
            intake=request.intake,
            sync=CalendarSync(intent),
        )

    @property
    def patient_id(self) -> UUID:
        """The id of the patient."""
        return self.patient.id

    @property
    def doctor_id(self) -> UUID | None:
        """The id of the doctor, None while none is chosen."""
        return self.doctor.id if self.doctor else None

    @property
    def slot(self) -> tuple[datetime, UUID | None]:
        """The start (UTC) and the id of the doctor."""
        return self.starts_at, self.doctor_id

    @property
    def price(self) -> Money | None:
        """The price of the service as it was when booked."""
        return self.service.price

    @property
    def booked_by(self) -> Actor | None:
        """Who booked. None in an appointment that was stored without a history and without an intent."""
        if self.history:
            return self.history[0].actor
        return self.sync.intent.actor if self.sync.intent else None

    @property
    def time_zone(self) -> str:
        """The IANA zone of the doctor, or UTC while none is chosen."""
        return self.doctor.time_zone if self.doctor else "UTC"

    @property
    def local_start(self) -> str:
        """The start in `time_zone`, without offset."""
        return local_start(self.starts_at, self.time_zone)

    @property
    def has_reservation(self) -> bool:
        """True when the calendar must have a reservation for this appointment."""
        return self.status in WITH_RESERVATION

    @property
    def has_begun(self) -> bool:
        """True once checked in, in progress, completed or missed; such a visit cannot be moved."""
        return self.has_reservation and self.status not in RESCHEDULABLE

    def as_seen_by(self, caller: Caller) -> Self:
        """Return the appointment without what only staff see, unless the caller is staff."""
        return self if caller.is_staff else self.without_staff_details()

    def without_staff_details(self) -> Self:
        """Return the appointment without the rules that staff have lifted for it."""
        return replace(self, overridden=None, history=tuple(replace(entry, override=None) for entry in self.history))

    def already_applied(self, operation_id: UUID) -> bool:
        """Return True if this operation was applied before; raise its refusal again if it was refused."""
        if self.sync.stored_refusal is not None and self.sync.is_refused(operation_id):
            raise self.sync.stored_refusal.refusal()
        return any(entry.id == operation_id for entry in self.history)

    def was_last_changed_by(self, operation_id: UUID) -> bool:
        """Return True if no other operation has changed the appointment since this one."""
        return bool(self.history) and self.history[-1].id == operation_id

    def has_changed_since(self, version: int, own_ids: Collection[UUID]) -> bool:
        """Return True if any change after `version` was recorded by another operation than those with `own_ids`."""
        count_at_version = len(self.history) - (self.version - version)
        return any(entry.id not in own_ids for entry in self.history[max(count_at_version, 0) :])

    # Transitions of the visit

    def approve(self, change: Change) -> Self:
        """Return the requested appointment as booked."""
        return self._transition(AppointmentStatus.BOOKED, change)

    def check_in(self, change: Change) -> Self:
        """Return the appointment with the patient present; raise TooEarly before the day of its start, as the doctor's clock shows it."""
        self._require_transition(AppointmentStatus.CHECKED_IN)
        if change.at < last_midnight_before(self.starts_at, self.time_zone):
            raise TooEarly("A patient can be checked in from midnight before the appointment on.", starts_at=self.starts_at)
        return self._transition(AppointmentStatus.CHECKED_IN, change)

    def start(self, change: Change) -> Self:
        """Return the appointment with the visit in progress."""
        return self._transition(AppointmentStatus.IN_PROGRESS, change)

    def complete(self, change: Change) -> Self:
        """Return the appointment with the visit completed."""
        return self._transition(AppointmentStatus.COMPLETED, change)

    def miss(self, change: Change) -> Self:
        """Return the appointment as missed; raise TooEarly before its start."""
        self._require_transition(AppointmentStatus.MISSED)
        if change.at < self.starts_at:
            raise TooEarly(starts_at=self.starts_at)
        return self._transition(AppointmentStatus.MISSED, change)

    def cancel(self, change: Change) -> Self:
        """Return the appointment as cancelled, with a release intent; unchanged if it is cancelled already.

        `change.note` is the reason. Raise TooLate when a patient or doctor cancels inside the cut-off.
        """
        if self.status is AppointmentStatus.CANCELLED:
            return self
        self._require_transition(AppointmentStatus.CANCELLED)
        self._require_cutoff(self.service.cancel_cutoff_minutes, change)
        return self.end(AppointmentStatus.CANCELLED, change)

    def decline(self, change: Change) -> Self:
        """Return the requested appointment as declined, with a release intent. `change.note` is the reason."""
        return self.end(AppointmentStatus.DECLINED, change)

    def expire(self, change: Change) -> Self:
        """Return the requested appointment as expired: it was not approved before its start."""
        return self.end(AppointmentStatus.EXPIRED, change)

    def end(self, status: AppointmentStatus, change: Change) -> Self:
        """Return the appointment in a status without a reservation, whatever the cut-off, with a release intent."""
        return replace(self.with_release(change), cancel_reason=change.note)._transition(status, change)

    def transition_to(
        self,
        status: AppointmentStatus,
        change: Change,
        restored_doctor: DoctorSnapshot | None = None,
        override: StaffOverride | None = None,
        lifts_again: bool = False,
    ) -> Self:
        """Return the appointment after the transition that leads to `status`; unchanged if it has that status.

        `override` and `lifts_again` are for an appointment that is restored.
        """
        if status is self.status:
            return self
        if status is AppointmentStatus.BOOKED and self.status in RESTORABLE:
            return self.restore(change, restored_doctor, override, lifts_again=lifts_again)
        transitions: dict[AppointmentStatus, Callable[[Change], Self]] = {
            AppointmentStatus.CANCELLED: self.cancel,
            AppointmentStatus.CHECKED_IN: self.check_in,
            AppointmentStatus.DECLINED: self.decline,
            AppointmentStatus.MISSED: self.miss,
        }
        transition = transitions.get(status)
        return transition(change) if transition else self._transition(status, change)

    def amend(self, fields: dict[str, Any], change: Change) -> Self:
        """Return the appointment with another reason or intake; unchanged if they are the same."""
        changed = [name for name, value in fields.items() if getattr(self, name) != value]
        if not changed:
            return self
        return record_change(self, replace(self, **fields), change, action="amended", topic=AMENDED_TOPIC, changed=changed)

    def confirm(self, change: Change) -> Self:
        """Return the booked appointment as confirmed by the patient; unchanged if it is confirmed already."""
        if self.status is not AppointmentStatus.BOOKED:
            raise IllegalMove(allowed=allowed_statuses(self.status))
        if self.confirmed_at is not None:
            return self
        confirmed = replace(self, confirmed_at=change.at)
        return record_change(self, confirmed, change, action="confirmed", topic=AMENDED_TOPIC, changed=["confirmation"])

    def is_inside_cancel_cutoff(self, now: datetime) -> bool:
        """Return True if it is too late for a patient or doctor to cancel."""
        return self._is_inside(self.service.cancel_cutoff_minutes, now)

    def follow_doctor(self, doctor: DoctorSnapshot, change: Change) -> Self:
        """Return the appointment with the name and place that its doctor has now.

        Unchanged if the visit has begun, its start has passed, or it will not take place, if it is with another doctor, or if a newer
        version of the doctor is known.
        """
        is_ahead = self.status in FOLLOWS_DOCTOR and self.starts_at > change.at
        if not is_ahead or self.doctor is None or self.doctor.id != doctor.id or doctor.version <= self.doctor.version:
            return self
        changed = doctor.changes_since(self.doctor)
        if not changed:
            return self
        return record_change(self, replace(self, doctor=doctor), change, action="amended", topic=AMENDED_TOPIC, changed=changed)

    def erase(self, change: Change) -> Self:
        """Return the appointment without the patient's name and without texts; unchanged if it has none.

        Times, states, doctor and service stay, and who changed what when, with ids.
        """
        patient = self.patient.erase()
        return self._without_texts(replace(self, patient=patient), change, ["patient"] if patient != self.patient else [])

    def erase_texts(self, change: Change) -> Self:
        """Return the appointment without the texts that patients and staff wrote; unchanged if it has none."""
        return self._without_texts(self, change, [])

    def _without_texts(self, cleared: Self, change: Change, changed: list[str]) -> Self:
        history = tuple(
            replace(entry, note=None, override=entry.override.without_reason() if entry.override else None) for entry in self.history
        )
        changed += [name for name in ("reason", "intake") if getattr(self, name) is not None]
        intent = self.sync.intent
        if intent is not None:
            intent = replace(intent, note=None, override=intent.override.without_reason() if intent.override else None)
        sync, overridden = replace(self.sync, intent=intent), self.overridden.without_reason() if self.overridden else None
        cleared = replace(cleared, reason=None, intake=None, cancel_reason=None, overridden=overridden, sync=sync, history=history)
        if cleared == self:
            return self
        return record_change(self, cleared, change, action="erased", topic=AMENDED_TOPIC, changed=changed)

    def change_patient(self, patient: PatientSnapshot, change: Change) -> Self:
        """Return the appointment as that of the patient into whom its own was merged; unchanged if it is that patient's already.

        The change is announced, also for visits that are over, unless no event has told other services of the appointment.
        """
        if patient.id == self.patient.id:
            return self
        changed = replace(self, patient=patient, former_patient_ids=(*self.former_patient_ids, self.patient.id))
        topic = AMENDED_TOPIC if self.status in TOPICS else None
        return record_change(self, changed, change, action="amended", topic=topic, changed=[PATIENT_CHANGED])

    # Requests to the calendar

    def reschedule(
        self,
        change: Change,
        *,
        starts_at: datetime | None = None,
        doctor: DoctorSnapshot | None = None,
        override: StaffOverride | None = None,
    ) -> Self:
        """Return the appointment with an intent to move; unchanged if time and doctor stay the same. None keeps the current value."""
        if self.status not in RESCHEDULABLE:
            raise IllegalMove(allowed=allowed_statuses(self.status))
        moved = replace(self, starts_at=starts_at or self.starts_at, doctor=doctor or self.doctor)
        if moved.slot == self.slot:
            return self
        self._require_cutoff(self.service.reschedule_cutoff_minutes, change)
        intent = moved._new_intent(IntentKind.MOVE, change, revision=self.sync.revision + 1, override=override)
        return replace(self, sync=replace(self.sync, intent=intent))

    def restore(
        self,
        change: Change,
        doctor: DoctorSnapshot | None = None,
        override: StaffOverride | None = None,
        *,
        lifts_again: bool = False,
    ) -> Self:
        """Return the appointment with an intent to book its time again, with the doctor as they are now.

        With `lifts_again`, or while it has its time, a rule that was lifted for it before is lifted again.

        A missed appointment still has its reservation, and nothing in the calendar changes. A checked-in visit counts as begun in the
        calendar, so that a new request must take this back.
        """
        if self.status not in RESTORABLE:
            raise IllegalMove(allowed=allowed_statuses(self.status))
        revision = self.sync.revision if self.status is AppointmentStatus.MISSED else self.sync.revision + 1
        current = replace(self, doctor=doctor or self.doctor)
        intent = current._new_intent(IntentKind.RESTORE, change, revision=revision, override=override)
        if lifts_again or self.has_reservation:
            intent = replace(intent, override=intent.override or self.overridden)
        return replace(self, sync=replace(self.sync, intent=intent))

    def with_reclaim(self, change: Change, newer_than: int = 0) -> Self:
        """Return the appointment with an intent to reserve its own time again, newer than `newer_than` and all earlier requests."""
        revision = max(self.sync.revision, newer_than) + 1
        return replace(self, sync=replace(self.sync, intent=self._new_intent(IntentKind.RECLAIM, change, revision=revision)))

    def with_release(self, change: Change) -> Self:
        """Return the appointment with an intent to release its reservation."""
        intent = self._new_intent(IntentKind.RELEASE, change, revision=self.sync.revision)
        return replace(self, sync=replace(self.sync, intent=intent))

    def _new_intent(self, kind: IntentKind, change: Change, *, revision: int, override: StaffOverride | None = None) -> Intent:
        lifted = AppointmentOverride.of(override, change.actor, change.at)
        return Intent(
            kind, change.actor, change.at, revision, self.starts_at, self.doctor, change.operation_id, change.note, override=lifted
        )

    def _transition(self, status: AppointmentStatus, change: Change) -> Self:
        self._require_transition(status)
        return record_change(self, replace(self, status=status), change, action=status.value, topic=TOPICS[status])

    def _require_transition(self, status: AppointmentStatus) -> None:
        if status not in TRANSITIONS[self.status]:
            raise IllegalMove(allowed=allowed_statuses(self.status))

    def _require_cutoff(self, cutoff_minutes: int, change: Change) -> None:
        if not change.actor.caller.is_staff and self._is_inside(cutoff_minutes, change.at):
            raise TooLate(cutoff_minutes=cutoff_minutes)

    def _is_inside(self, cutoff_minutes: int, now: datetime) -> bool:
        return self.starts_at - now < timedelta(minutes=cutoff_minutes)
