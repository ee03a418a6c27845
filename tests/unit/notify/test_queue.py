"""Queueing messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from notify_svc.domain.messages import Message
from notify_svc.domain.visits import Visit
from notify_svc.domain.webhooks import Webhook
from notify_svc.ports import NotificationStore
from notify_svc.usecases.enqueue import MessageQueue
from tests.running import NOON
from tests.unit.notify.builders import an_event


@dataclass
class FakeMessageStore:
    """A store that does not remember handled events, so that an event can be queued twice."""

    inserted: list[Message] = field(default_factory=list)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[FakeMessageStore]:
        yield self

    async def list_receiving_webhooks(self) -> list[Webhook]:
        return []

    async def mark_handled(self, event_id: UUID) -> bool:
        return True

    async def lock_visit(self, appointment_id: UUID) -> Visit | None:
        return None

    async def insert_visit(self, visit: Visit) -> bool:
        return True

    async def replace_visit(self, visit: Visit) -> None: ...

    async def raise_sequence(self, appointment_id: UUID, sequence: int) -> None: ...

    async def remove_planned_reminders(self, appointment_ids: Collection[UUID]) -> None: ...

    async def has_newer_version(self, appointment_id: UUID, version: int) -> bool:
        return False

    async def insert_message(self, message: Message) -> bool:
        self.inserted.append(message)
        return True

    async def insert_messages_of_event(self, messages: Sequence[Message]) -> None:
        self.inserted += messages

    async def insert_first_event(self, event_id: UUID, visit: Visit, messages: Sequence[Message]) -> None:
        self.inserted += messages

    async def lock_messages_about(self, subject_ids: Collection[UUID]) -> list[Message]:
        return []

    async def postpone_unreadable(self, message_id: UUID, due_at: datetime) -> None: ...

    async def update_message(self, before: Message, after: Message) -> bool:
        return False

    async def update_messages(self, changes: Sequence[tuple[Message, Message]]) -> None: ...

    async def list_due_messages(self, now: datetime, limit: int, offset: int = 0) -> list[Message]:
        return []

    async def list_messages_being_sent(self) -> list[Message]:
        return []


async def test_the_same_event_makes_messages_with_the_same_ids() -> None:
    store, wakes = FakeMessageStore(), list[str]()
    queue = MessageQueue(cast(NotificationStore, store), lambda: NOON, lambda: wakes.append("sender"), lambda: wakes.append("webhooks"))
    await queue.enqueue_appointment(an_event())
    await queue.enqueue_appointment(an_event())
    first_patient, first_doctor, second_patient, second_doctor = (message.id for message in store.inserted)
    assert (first_patient, first_doctor) == (second_patient, second_doctor)
    assert first_patient != first_doctor
    assert len(wakes) == 2
