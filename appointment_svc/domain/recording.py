"""Recording a change of an appointment: its history entry, its new version and its event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from appointment_svc.domain.overrides import AppointmentOverride
from appointment_svc.domain.transitions import RESCHEDULABLE, AppointmentStatus
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AppointmentEvent, AuditRecorded
from shared.contracts.http import Actor
from shared.contracts.identity import Service
from shared.contracts.values import format_instant

if TYPE_CHECKING:
    from appointment_svc.domain.appointment import Appointment

OVERRIDDEN_ACTION = "appointment.overridden"
IN_CALENDAR_FILE = frozenset({"place", "doctor_name"})
A = TypeVar("A", bound="Appointment")


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes an appointment, when (UTC), and the ids of the change and its event.

    `operation_id` becomes the id of the history entry; a request that is repeated under its Idempotency-Key has the same one.
    """

    actor: Actor
    at: datetime
    operation_id: UUID
    event_id: UUID
    note: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change: who did what and when, and status, start and doctor before and after. `id` is the operation id.

    `override` is the rule of the calendar that staff lifted by this change; only staff see it.
    """

    id: UUID
    at: datetime
    actor: Actor
    action: str
    before: dict[str, str]
    after: dict[str, str]
    note: str | None = None
    override: AppointmentOverride | None = None


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A history entry and the events that the next save writes together with the appointment.

    `event` is for other services, `audit` the line of the audit trail, and `override` its line about a rule that staff lifted.
    """

    entry: HistoryEntry
    event: AppointmentEvent | None
    audit: AuditRecorded
    override: AuditRecorded | None = None

    @property
    def events(self) -> list[AppointmentEvent | AuditRecorded]:
        """The events that there are, in the order of publishing."""
        return [event for event in (self.event, self.audit, self.override) if event is not None]


def record_change(before: A, after: A, change: Change, *, action: str, topic: str | None, changed: Sequence[str] = ()) -> A:
    """Return `after` with a new version, a history entry and, where there is a topic, an event. `changed` is passed on in the event.

    What the patient confirmed is another visit after a move, a restore or an approval, so that `confirmed_at` is None again.
    An appointment that never had a doctor publishes no event, because other services have not been informed about it.
    """
    if before.slot != after.slot or (before.status is not after.status and after.status in RESCHEDULABLE):
        after = replace(after, confirmed_at=None)
    override = after.overridden if after.overridden != before.overridden else None
    entry = HistoryEntry(change.operation_id, change.at, change.actor, action, _summary(before), _summary(after), change.note, override)
    lifted = _override_event(after, override, change) if override else None
    unsaved = RecordedChange(entry, None, _audit_event(after, entry, change), lifted)
    recorded = replace(
        after,
        version=before.version + 1,
        updated_at=change.at,
        history=(*after.history, entry),
        unsaved_change=unsaved,
    )
    if topic is None or after.doctor is None:
        return recorded
    moved = before.doctor is not None and before.slot != after.slot
    is_rescheduled = moved or before.status is not after.status or not IN_CALENDAR_FILE.isdisjoint(changed)
    new_sequence = before.status is not AppointmentStatus.PENDING and is_rescheduled
    recorded = replace(recorded, sequence=after.sequence + int(new_sequence), event_count=before.event_count + 1)
    event = _event(recorded, topic, change, previous=before if moved else None, changed=changed)
    return replace(recorded, unsaved_change=replace(unsaved, event=event))


def _override_event(appointment: Appointment, override: AppointmentOverride, change: Change) -> AuditRecorded:
    """Return the line of the audit trail about a lifted rule: its code, and the id of the appointment, which has the reason."""
    return AuditRecorded(
        id=derive_id(change.event_id, "override"),
        occurred_at=change.at,
        subject_id=appointment.patient_id,
        actor_id=override.by.id,
        actor_role=override.by.role,
        action=OVERRIDDEN_ACTION,
        relation=override.code.value,
        outcome="done",
        row_id=appointment.id,
        source=Service.APPOINTMENT,
    )


def _event(
    appointment: Appointment, topic: str, change: Change, *, previous: Appointment | None, changed: Sequence[str]
) -> AppointmentEvent:
    before: dict[str, Any] = {"previous_starts_at": previous.starts_at, "previous_doctor_id": previous.doctor_id} if previous else {}
    return AppointmentEvent.for_topic(
        topic,
        id=change.event_id,
        occurred_at=change.at,
        actor=change.actor,
        appointment_id=appointment.id,
        version=appointment.version,
        event_number=appointment.event_count,
        sequence=appointment.sequence,
        status=appointment.status.value,
        service_id=appointment.service.id,
        doctor_id=appointment.doctor_id,
        patient_id=appointment.patient_id,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        time_zone=appointment.time_zone,
        mode=appointment.service.mode,
        changed=list(changed),
        booked_at=appointment.created_at,
        booked_by=appointment.booked_by,
        capacity=appointment.service.capacity,
        confirmed_at=appointment.confirmed_at,
        **before,
    )


def _audit_event(appointment: Appointment, entry: HistoryEntry, change: Change) -> AuditRecorded:
    """Return the line of the audit trail about a change. It has no texts: the history entry `row_id` has the note."""
    return AuditRecorded(
        id=derive_id(change.event_id, "audit"),
        occurred_at=change.at,
        subject_id=appointment.patient_id,
        actor_id=change.actor.id,
        actor_role=change.actor.role,
        action=f"appointment.{entry.action}",
        relation="self" if change.actor.id == appointment.patient_id else change.actor.role.value,
        outcome="done",
        row_id=entry.id,
        source=Service.APPOINTMENT,
        before={"appointment_id": str(appointment.id), **entry.before},
        after={"appointment_id": str(appointment.id), **entry.after},
    )


def _summary(appointment: Appointment) -> dict[str, str]:
    doctor = {"doctor_id": str(appointment.doctor.id)} if appointment.doctor else {}
    return {"status": appointment.status.value, "starts_at": format_instant(appointment.starts_at), **doctor}
