"""The log of messages, as members of staff and recipients read it, and the store for sending one of them again."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from notify_svc.domain.messages import Message, MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.domain.visits import Visit
from shared.contracts.events import Event


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages a list has. Empty tuples and None do not restrict it; `created_to` is not included."""

    statuses: tuple[MessageStatus, ...] = ()
    kinds: tuple[MessageKind, ...] = ()
    recipient_id: UUID | None = None
    appointment_id: UUID | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


class LoggedAttempt(NamedTuple):
    """An attempt to deliver a message: when it ended (RFC 3339, UTC), the status that it led to, and the problem."""

    at: str
    status: str
    problem: str | None
    problem_detail: str | None


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """A message without its content. `kind` is text, so that kinds of a newer release can be listed. `row` is the number of its row.

    `internet_message_id` is the Message-ID of its mail (RFC 5322); lists leave it empty.
    """

    row: int
    id: UUID
    kind: str
    audience: Audience
    recipient_id: UUID
    appointment_id: UUID | None
    status: MessageStatus
    problem: str | None
    problem_detail: str | None
    attempts: int
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    resent_from: UUID | None
    resent_by: UUID | None
    resent_at: datetime | None
    attempt_log: tuple[LoggedAttempt, ...]
    internet_message_id: str = ""

    @property
    def sort_key(self) -> tuple[str, int]:
        """The position in a list, newest first: the instant of creation, and the number of the row."""
        return self.created_at.isoformat(), self.row


class MessageReader(Protocol):
    """Reads the log of messages."""

    async def list_messages(self, wanted: MessageFilter, limit: int, after: tuple[str, ...] | None) -> list[LoggedMessage]:
        """Return up to `limit` messages that follow `after`, newest first. Raise BadCursor."""

    async def find_message(self, message_id: UUID) -> LoggedMessage | None:
        """Return a message, or None if there is none."""


class LockedMessage(NamedTuple):
    """A message that no other transaction can change, the others to the same recipient about the same subject, and the visit.

    `message` is None if this release cannot read it, `visit` if the message is about no visit.
    """

    message: Message | None
    related: list[Message]
    visit: Visit | None


class ResendTransaction(Protocol):
    """A transaction: it commits on leaving and rolls back on any exception."""

    async def lock_message(self, message_id: UUID) -> LockedMessage | None:
        """Lock a message and the messages related to it; return None if it does not exist."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""

    async def insert_message(self, message: Message) -> bool:
        """Insert a message; return False if one with this id exists already."""

    async def update_message(self, before: Message, after: Message) -> bool:
        """Replace the state of a message; return False if it is no longer as `before`."""


class ResendStore(Protocol):
    """The store for sending a message again."""

    def begin(self) -> AbstractAsyncContextManager[ResendTransaction]:
        """Open a transaction."""


class FinishedMessages(Protocol):
    """The store for deleting old messages."""

    async def delete_finished_messages(self, created_before: datetime, limit: int) -> int:
        """Delete up to `limit` messages that will not be sent any more and were created before an instant; return how many."""
