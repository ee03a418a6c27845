"""The visits, reminders and messages of patients who were merged into others: their store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from notify_svc.domain.merged_patients import PatientMove, ReminderMove
from notify_svc.domain.messages import Message
from notify_svc.domain.reminders import Reminder
from notify_svc.domain.visits import Visit


class PatientMoveTransaction(Protocol):
    """The part of a transaction that makes the data of a patient those of another one."""

    async def insert_merge(self, move: PatientMove) -> None:
        """Store that a patient was merged into another one; it is stored once."""

    async def lock_visits_of(self, patient_id: UUID, limit: int) -> Sequence[Visit]:
        """Return up to `limit` visits of a patient, and lock them."""

    async def list_reminders(self, appointment_ids: Collection[UUID]) -> Sequence[Reminder]:
        """Return all reminders of visits; they do not change until this transaction ends."""

    async def lock_messages_about(self, subject_ids: Collection[UUID]) -> Sequence[Message]:
        """Return the messages about subjects; they cannot change until this transaction ends. Those that cannot be read are left out."""

    async def lock_messages_to(self, recipient_id: UUID, limit: int, after: UUID | None) -> Sequence[Message]:
        """Return up to `limit` messages to a person, by id, after the message `after`, and lock them; without those that cannot be read."""

    async def replace_visit(self, visit: Visit) -> None:
        """Store the new state of a known visit."""

    async def move_reminders(self, moves: Iterable[ReminderMove]) -> None:
        """Remove and store reminders."""

    async def move_messages(self, messages: Sequence[Message]) -> None:
        """Store the new recipients, facts and states of messages that this transaction has locked."""

    async def move_recipient(self, source_id: UUID, target_id: UUID) -> int:
        """Make all messages to a person those to another one, also those that cannot be read; return how many."""


class PatientMoveStore(Protocol):
    """The database of notification-service, as far as it concerns patients who were merged."""

    def begin(self) -> AbstractAsyncContextManager[PatientMoveTransaction]:
        """Open a transaction."""

    async def find_current_patient(self, patient_id: UUID) -> UUID:
        """Return into whom a patient was merged in the end, or the id itself for a patient who was not merged."""

    async def list_unfinished_merges(self, recorded_since: datetime, limit: int) -> Sequence[PatientMove]:
        """Return merges of which the service has learned since an instant, and whose old patient has visits or messages here."""
