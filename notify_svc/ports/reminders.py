"""Visits, their reminders and the digests of doctors: their store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from notify_svc.domain.digests import DigestPreference
from notify_svc.domain.messages import Message
from notify_svc.domain.reminders import Reminder, ReminderStatus
from notify_svc.domain.visits import Visit


class Aspect(StrEnum):
    """The kinds of data of which events announce a new version."""

    PATIENT = "patient"
    PREFERENCES = "preferences"
    SERVICE = "service"
    CLINIC = "clinic"


@dataclass(frozen=True, slots=True)
class VisitPlan:
    """The reminders that wait to be sent for one visit, and the people who are reminded of it."""

    visit: Visit
    recipient_ids: Collection[UUID]
    reminders: Sequence[Reminder]


class VisitTransaction(Protocol):
    """The part of a transaction that records visits."""

    async def lock_visit(self, appointment_id: UUID) -> Visit | None:
        """Return a visit that no other transaction changes until this one ends; None if no event of it is known."""

    async def insert_visit(self, visit: Visit) -> bool:
        """Insert a visit; return False if it is known already."""

    async def replace_visit(self, visit: Visit) -> None:
        """Store the new state of a known visit."""

    async def raise_sequence(self, appointment_id: UUID, sequence: int) -> None:
        """Store the `SEQUENCE` of a known visit, unless a greater one is stored."""

    async def remove_planned_reminders(self, appointment_ids: Collection[UUID]) -> None:
        """Remove the reminders of visits that are neither queued nor skipped."""

    async def plan_visit_again(self, appointment_id: UUID, due_at: datetime, now: datetime) -> None:
        """Have the reminders of a booked visit ahead planned again at `due_at`, when the contacts of all instances are up to date."""


class ReminderTransaction(Protocol):
    """The part of a transaction that plans and queues reminders and digests."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""

    async def record_contact_version(self, subject_id: UUID, aspect: Aspect, version: int) -> bool:
        """Record the version that an event announces; return False if it, or a newer one, was recorded before."""

    async def plan_visits_of_person(self, person_id: UUID, wanted_since: datetime, now: datetime) -> None:
        """Have the reminders of a person's booked visits ahead planned again, also where the person is reminded as a guardian.

        Newly wanted offsets count from `wanted_since`, unless the visit waits to be planned already or was planned for a later change.
        """

    async def plan_visits_of_service(self, service_id: UUID, wanted_since: datetime, now: datetime) -> None:
        """Have the reminders of the booked visits ahead of a service type planned again, as `plan_visits_of_person` does."""

    async def plan_all_visits(self, wanted_since: datetime, now: datetime, due_at: datetime) -> None:
        """Have the reminders of all booked visits ahead planned again at `due_at`, as `plan_visits_of_person` does."""

    async def advance_postponed_reminders(self, recipient_id: UUID, due_at: datetime) -> None:
        """Make the queued reminders that wait for the end of a person's quiet hours due at `due_at`, unless they are due earlier."""

    async def claim_visits_to_plan(self, now: datetime, until: datetime, limit: int) -> Sequence[Visit]:
        """Return visits whose planning is due, and make them due again at `until`, so that no other instance plans them before."""

    async def lock_planning(self, visits: Iterable[Visit]) -> set[UUID]:
        """Return the ids of the visits that have not changed since they were claimed; they stay locked until this transaction ends."""

    async def list_reminders(self, appointment_ids: Collection[UUID]) -> Sequence[Reminder]:
        """Return all reminders of visits; they do not change until this transaction ends."""

    async def store_plans(self, plans: Sequence[VisitPlan]) -> None:
        """Replace the planned reminders and the recipients of visits that `lock_planning` returned. Their planning is no longer due."""

    async def claim_due_reminders(self, now: datetime, limit: int) -> Sequence[Reminder]:
        """Return planned reminders that are due, without those that another transaction has locked, and lock them."""

    async def list_competing_reminders(self, appointment_ids: Collection[UUID], now: datetime) -> Sequence[Reminder]:
        """Return the reminders of visits that are queued, or planned and due."""

    async def list_visits(self, appointment_ids: Collection[UUID]) -> Mapping[UUID, Visit]:
        """Return the known visits by id."""

    async def set_reminder_status(self, reminder_ids: Collection[UUID], status: ReminderStatus) -> None:
        """Store the status of reminders."""

    async def insert_messages(self, messages: Sequence[Message]) -> None:
        """Insert messages, except those whose id exists already."""

    async def record_digest(self, doctor_id: UUID, day: date, now: datetime) -> bool:
        """Record that the digest of a doctor's day was decided; return False if it was decided before."""

    async def delete_ended_reminders(self, before: datetime, limit: int) -> int:
        """Delete reminders of visits that started before an instant; return how many."""


class EndedVisits(Protocol):
    """Deletes visits and digests of long ago, each call in a transaction of its own."""

    async def delete_ended_visits(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` visits that ended before an instant, with their recipients; return how many."""

    async def delete_old_digests(self, before: date, limit: int) -> int:
        """Delete up to `limit` records of digests of days before a date; return how many."""


class ReminderStore(Protocol):
    """The database of notification-service, as far as it concerns visits, reminders and digests."""

    def begin(self) -> AbstractAsyncContextManager[ReminderTransaction]:
        """Open a transaction."""

    async def has_visits_to_plan(self, now: datetime) -> bool:
        """Return whether the planning of a visit is due."""

    async def has_due_reminders(self, now: datetime) -> bool:
        """Return whether a planned reminder is due."""

    async def list_contact_versions(self, subject_ids: Collection[UUID], aspect: Aspect) -> Mapping[UUID, int]:
        """Return the newest versions that events have announced, by id."""

    async def find_visit(self, appointment_id: UUID) -> Visit | None:
        """Return a visit, or None if no event of it is known."""

    async def has_nearer_reminder(self, reminder_id: UUID, now: datetime) -> bool:
        """Return whether a nearer reminder of the same visit, start and person is queued, or planned and due."""

    async def list_digest_preferences(self, after: UUID | None, limit: int) -> Sequence[DigestPreference]:
        """Return doctors who want digests, by ascending id, after one id."""

    async def wants_digest(self, doctor_id: UUID) -> bool:
        """Return whether a doctor wants digests."""

    async def list_decided_digests(self, doctor_ids: Collection[UUID], from_: date) -> set[tuple[UUID, date]]:
        """Return the doctors and dates, from one date on, whose digests were decided."""

    async def list_day_starts(self, doctor_id: UUID, from_: datetime, to: datetime) -> Sequence[datetime]:
        """Return the starts of a doctor's booked visits that start from `from_` on and before `to`, in order, one for each visit."""
