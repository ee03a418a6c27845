"""Dead letters of a service: events that it could not handle, kept in its own database until they are replayed."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from shared.contracts.dead_letters import DeadLetterStatus
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import TOPICS
from shared.contracts.pages import Page
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import NoSuchDeadLetter
from shared.kit.bus import Bus, PublishFailed
from shared.kit.clock import Clock
from shared.kit.cursors import PageRequest, parse_instant_and_id
from shared.kit.dead_messages import DeadMessage
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

NAMESPACE = UUID("b0c4e3a2-6f0d-5b86-9a55-0f5ad1e0c7de")  # of the ids of dead letters
RETENTION = timedelta(days=30)  # of replayed ones; waiting ones stay
MAX_MESSAGE_ID_LENGTH = 100
TOPIC, SUBJECT = re.compile(r"[a-z0-9_.-]{1,100}"), re.compile(r"[A-Za-z0-9_.:-]{1,64}")
SortKey = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that the service gave up. `replays` is the number of the last replay whose result is recorded, 0 before the first.

    `event_id`, `topic` and `subject` are None where the message cannot be read.
    """

    id: UUID
    message_id: str
    event_id: UUID | None
    topic: str | None
    subject: str | None
    body: bytes = field(repr=False)
    error: str
    attempts: int
    replays: int
    died_at: datetime
    status: DeadLetterStatus = DeadLetterStatus.WAITING
    replayed_at: datetime | None = None

    @classmethod
    def from_message(cls, queue: str, message: DeadMessage, now: datetime) -> DeadLetter:
        """Return the letter of a dead message of a queue. Its id depends on the queue and the event, or on the body if that has no id."""
        event_id, topic, subject = read_envelope(message.body)
        letter_id = derive_id(NAMESPACE, queue, event_id or hashlib.sha256(message.body).hexdigest())
        died_at = (message.died_at or now).replace(microsecond=0)  # responses have whole seconds, and the cursor is made from them
        message_id = message.message_id[:MAX_MESSAGE_ID_LENGTH]
        return cls(letter_id, message_id, event_id, topic, subject, message.body, message.error, message.attempts, message.replay, died_at)

    def give_up_again(self, letter: DeadLetter) -> DeadLetter | None:
        """Return this letter after `letter`, a message with the same event, was given up, or None if that is recorded already.

        A replay may be given up before it is recorded as replayed; then its number is new. Without the number, it would look like a
        repeated delivery of the message that was given up first.
        """
        is_known = letter.replays < self.replays or (letter.replays == self.replays and self.status is DeadLetterStatus.WAITING)
        if is_known:
            return None
        replayed_at = self.replayed_at or letter.died_at
        return replace(letter, attempts=self.attempts + letter.attempts, replayed_at=replayed_at)

    def mark_replayed(self, number: int, now: datetime) -> DeadLetter:
        """Return this letter after the replay of that number was published."""
        return replace(self, status=DeadLetterStatus.REPLAYED, replays=number, replayed_at=now)


def read_envelope(body: bytes) -> tuple[UUID | None, str | None, str | None]:
    """Return id, topic and subject of the event in a body, each None where it has no form that may be shown."""
    try:
        envelope: Any = json.loads(body)
        event_id = UUID(str(envelope["id"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, None, None
    return event_id, _matching(TOPIC, envelope.get("type")), _matching(SUBJECT, envelope.get("subject"))


def _matching(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


class DeadLetterStore(Protocol):
    """The dead letters in the database of a service. Each method is a transaction of its own."""

    async def insert(self, letter: DeadLetter) -> bool:
        """Insert a letter; return False if there is one with its id."""

    async def find(self, letter_id: UUID) -> DeadLetter | None:
        """Return a letter, or None."""

    async def replace(self, before: DeadLetter, after: DeadLetter) -> bool:
        """Replace a letter; return False if its status or its number of replays is no longer as in `before`."""

    async def list_newest(self, topic: str | None, limit: int, after: SortKey | None) -> Sequence[DeadLetter]:
        """Return letters by `died_at` and id, the newest first, after a sort key; only those of a topic if one is given."""

    async def delete_replayed(self, before: datetime) -> None:
        """Delete the letters that were replayed before an instant and not given up since."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of one service. `queue` is the name of its queue; `count` counts a letter by its topic."""

    store: DeadLetterStore
    bus: Bus
    queue: str
    now: Clock
    count: Callable[[str], None]

    @retry_on_abort
    async def keep(self, message: DeadMessage) -> None:
        """Store a message that the bus gave up. A repetition changes nothing; a replay that was given up makes its letter wait again."""
        letter = DeadLetter.from_message(self.queue, message, self.now())
        if not await self._record(letter):
            return
        topic = letter.topic if letter.topic in TOPICS else None
        self.count(topic or "unreadable")
        log_event("event_given_up", logging.ERROR, topic=topic, event=letter.event_id, letter=str(letter.id), reason=letter.error)

    async def list_page(self, topic: str | None, paging: PageRequest) -> Page[DeadLetter]:
        """Return a page of the letters, the newest first. Raises BadCursor."""
        after = parse_instant_and_id(paging.after) if paging.after else None
        letters = await self.store.list_newest(topic, paging.limit + 1, after)
        return paging.page(letters, lambda letter: (letter.died_at.isoformat(), letter.id))

    @retry_on_abort
    async def replay(self, letter_id: UUID) -> DeadLetter:
        """Put the event into this service's queue again, with its id, and return the letter.

        A letter that is replayed already stays as it is. The event is published before that is recorded, so that it cannot be lost. When it
        is published twice, it has its effect once. Raises NoSuchDeadLetter, or Unavailable when the bus does not answer.
        """
        letter = await self._get(letter_id)
        if letter.status is DeadLetterStatus.REPLAYED:
            return letter
        number = letter.replays + 1
        try:
            await self.bus.redeliver(self.queue, letter.message_id, letter.body, number)
        except PublishFailed:
            raise Unavailable("The event bus does not answer.", retry_after=2) from None
        replayed = letter.mark_replayed(number, self.now())
        return replayed if await self.store.replace(letter, replayed) else await self._get(letter_id)

    async def prune(self) -> int:
        """Delete letters that were replayed longer than RETENTION ago. Returns 0."""
        await self.store.delete_replayed(self.now() - RETENTION)
        return 0

    async def _record(self, letter: DeadLetter) -> bool:
        """Insert the letter, or make the stored one wait again. Returns False when that was recorded before."""
        while not await self.store.insert(letter):
            stored = await self.store.find(letter.id)
            if stored is None:  # deleted in the meantime
                continue
            after = stored.give_up_again(letter)
            if after is None:
                return False
            if await self.store.replace(stored, after):
                return True
        return True

    async def _get(self, letter_id: UUID) -> DeadLetter:
        letter = await self.store.find(letter_id)
        if letter is None:
            raise NoSuchDeadLetter
        return letter
