"""Reminders of visits: to whom they are sent, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.domain.quiet_hours import PersonalClock
from notify_svc.domain.visits import Visit
from shared.contracts.contacts import PatientContact, ServiceReminders
from shared.contracts.derived_ids import derive_id
from shared.contracts.values import ZONES, format_instant

EMAIL = "email"
"""The channel of all reminders."""


class ReminderStatus(StrEnum):
    """`planned`: it waits for its time. `queued`: there is a message for it. `skipped`: it was too late, or a nearer one was due, too."""

    PLANNED = "planned"
    QUEUED = "queued"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder of a visit at `starts_at` to one person. Only a planned one is ever changed or removed.

    `offset_minutes` is elapsed time before the start. The offset is wanted since `wanted_since`.
    """

    id: UUID
    appointment_id: UUID
    starts_at: datetime
    offset_minutes: int
    channel: str
    recipient_id: UUID
    due_at: datetime
    wanted_since: datetime
    status: ReminderStatus = ReminderStatus.PLANNED

    @classmethod
    def of(cls, visit: Visit, recipient_id: UUID, offset_minutes: int, due_at: datetime, wanted_since: datetime) -> Self:
        """Return a planned reminder by email. The same visit, start, offset, channel and recipient always give the same id."""
        reminder_id = id_of_reminder(visit.appointment_id, visit.starts_at, offset_minutes, recipient_id)
        return cls(reminder_id, visit.appointment_id, visit.starts_at, offset_minutes, EMAIL, recipient_id, due_at, wanted_since)

    def copy_for(self, recipient_id: UUID, status: ReminderStatus) -> Self:
        """Return the same reminder of another person, with the id that `of` gives it."""
        copy_id = id_of_reminder(self.appointment_id, self.starts_at, self.offset_minutes, recipient_id)
        return replace(self, id=copy_id, recipient_id=recipient_id, status=status)

    def is_nearer_than(self, other: Self) -> bool:
        """Return whether both remind the same person of the same visit, and this one is meant to come later."""
        is_same_visit = self.appointment_id == other.appointment_id and self.starts_at == other.starts_at
        return is_same_visit and self.recipient_id == other.recipient_id and self.offset_minutes < other.offset_minutes

    def status_when_due(self, visit: Visit | None, due: Iterable[Self], now: datetime) -> ReminderStatus:
        """Return the status of the reminder now that it is due: queued, or skipped.

        `due` are the reminders of the same visit that are due or queued. Only the nearest of several is sent, and none once the visit has
        begun.
        """
        is_true = visit is not None and visit.is_booked and visit.starts_at == self.starts_at and now < self.starts_at
        is_nearest = not any(other.is_nearer_than(self) for other in due)
        return ReminderStatus.QUEUED if is_true and is_nearest else ReminderStatus.SKIPPED

    def message(self, visit: Visit, now: datetime) -> Message:
        """Return the message that is sent for the reminder. It has the reminder's id, and is not sent once the visit has begun."""
        return Message(
            id=self.id,
            event_id=self.id,
            kind=MessageKind.REMINDER,
            audience=Audience.PATIENT,
            recipient_id=self.recipient_id,
            subject_id=self.appointment_id,
            version=visit.version,
            facts=reminder_facts(visit, self.offset_minutes),
            created_at=now,
            due_at=now,
            valid_until=self.starts_at,
        )


def id_of_reminder(appointment_id: UUID, starts_at: datetime, offset_minutes: int, recipient_id: UUID) -> UUID:
    """Return the id of a reminder by email, which is always the same for the same visit, start, offset and recipient."""
    return derive_id(appointment_id, format_instant(starts_at), offset_minutes, EMAIL, recipient_id)


@dataclass(frozen=True, slots=True)
class ReminderRecipient:
    """A person who is reminded of a visit, with the offsets in minutes that count for this visit, since `wanted_since` if it is given."""

    id: UUID
    offsets: frozenset[int]
    clock: PersonalClock
    wanted_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReminderDefaults:
    """What counts for people and service types that say nothing else: the clinic's offsets in minutes and its IANA zone."""

    offsets_minutes: tuple[int, ...]
    time_zone: str

    def recipient(self, contact: PatientContact, service: ServiceReminders | None) -> ReminderRecipient:
        """Return a person with the offsets of the first level that has some: the person, the service type, the clinic.

        A person who does not consent to reminders has none.
        """
        own = contact.reminder_offsets_minutes if contact.reminders_consent else []
        levels = (own, service.reminder_offsets_minutes if service else None, self.offsets_minutes)
        offsets = next(level for level in levels if level is not None)
        return ReminderRecipient(contact.id, frozenset(offsets), self.clock_of(contact), contact.offsets_changed_at)

    def clock_of(self, contact: PatientContact) -> PersonalClock:
        """Return a person's wall clock, in the clinic's zone if the person has none."""
        time_zone = contact.time_zone if contact.time_zone in ZONES else self.time_zone
        return PersonalClock(time_zone, contact.quiet_hours)


def planned_reminders(visit: Visit, recipients: Iterable[ReminderRecipient], existing: Sequence[Reminder]) -> Iterator[Reminder]:
    """Yield the reminders of a booked visit that wait to be sent.

    Those among `existing` that were queued or skipped are not planned again. An offset that is planned already keeps its `wanted_since`;
    another one counts since the visit was arranged, or since the person chose it, if that was later.
    Of several that are due at the same instant, only the nearest is sent: `status_when_due` decides, so that none is lost if one of them is
    planned again for another time.
    """
    known = {(row.recipient_id, row.offset_minutes): row for row in existing if row.starts_at == visit.starts_at}
    for recipient in recipients:
        newly_wanted_since = max(visit.wanted_since, recipient.wanted_since or visit.wanted_since)
        for offset in recipient.offsets:
            row = known.get((recipient.id, offset))
            if row is not None and row.status is not ReminderStatus.PLANNED:
                continue
            wanted_since = row.wanted_since if row is not None else newly_wanted_since
            due_at = recipient.clock.due_time(visit.starts_at, timedelta(minutes=offset), wanted_since)
            if due_at is not None:
                yield Reminder.of(visit, recipient.id, offset, due_at, wanted_since)


def reminder_facts(visit: Visit, offset_minutes: int) -> dict[str, Any]:
    """Return the facts of a reminder: those of an appointment's event, as JSON, and the offset."""
    ids: Mapping[str, UUID] = {name: getattr(visit, name) for name in ("appointment_id", "service_id", "doctor_id", "patient_id")}
    return {
        **{name: str(value) for name, value in ids.items()},
        "version": visit.version,
        "sequence": visit.sequence,
        "status": visit.status,
        "starts_at": format_instant(visit.starts_at),
        "ends_at": format_instant(visit.ends_at),
        "time_zone": visit.time_zone,
        "mode": visit.mode,
        "previous_starts_at": None,
        "previous_doctor_id": None,
        "changed": [],
        "offset_minutes": offset_minutes,
    }
