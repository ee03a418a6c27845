"""Recording a change of an appointment: its history entry, its new version and its event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from appointment_svc.domain.transitions import RESCHEDULABLE, AppointmentStatus
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Actor
from shared.contracts.values import format_instant

if TYPE_CHECKING:
    from appointment_svc.domain.appointment import Appointment

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
    """One change: who did what and when, and status, start and doctor before and after. `id` is the operation id."""

    id: UUID
    at: datetime
    actor: Actor
    action: str
    before: dict[str, str]
    after: dict[str, str]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A history entry and an event that the next save writes together with the appointment."""

    entry: HistoryEntry
    event: AppointmentEvent | None


def record_change(before: A, after: A, change: Change, *, action: str, topic: str | None, changed: Sequence[str] = ()) -> A:
    """Return `after` with a new version, a history entry and, where there is a topic, an event. `changed` is passed on in the event.

    What the patient confirmed is another visit after a move, a restore or an approval, so that `confirmed_at` is None again.
    An appointment that never had a doctor publishes no event, because other services have not been informed about it.
    """
    if before.slot != after.slot or (before.status is not after.status and after.status in RESCHEDULABLE):
        after = replace(after, confirmed_at=None)
    entry = HistoryEntry(change.operation_id, change.at, change.actor, action, _summary(before), _summary(after), change.note)
    recorded = replace(
        after,
        version=before.version + 1,
        updated_at=change.at,
        history=(*after.history, entry),
        unsaved_change=RecordedChange(entry, None),
    )
    if topic is None or after.doctor is None:
        return recorded
    moved = before.doctor is not None and before.slot != after.slot
    is_rescheduled = moved or before.status is not after.status or not IN_CALENDAR_FILE.isdisjoint(changed)
    new_sequence = before.status is not AppointmentStatus.PENDING and is_rescheduled
    recorded = replace(recorded, sequence=after.sequence + int(new_sequence), event_count=before.event_count + 1)
    event = _event(recorded, topic, change, previous=before if moved else None, changed=changed)
    return replace(recorded, unsaved_change=RecordedChange(entry, event))


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


def _summary(appointment: Appointment) -> dict[str, str]:
    doctor = {"doctor_id": str(appointment.doctor.id)} if appointment.doctor else {}
    return {"status": appointment.status.value, "starts_at": format_instant(appointment.starts_at), **doctor}
