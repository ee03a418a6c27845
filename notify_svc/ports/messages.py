"""Messages: their store, their rendering and the mailbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from notify_svc.domain.mail_content import MailContent
from notify_svc.domain.messages import Message
from notify_svc.domain.templates import NO_OVERRIDES, Overrides
from notify_svc.domain.visits import Visit
from notify_svc.ports.merged_patients import PatientMoveTransaction
from notify_svc.ports.reminders import VisitTransaction
from notify_svc.ports.webhooks import WebhookTransaction
from shared.contracts.events import Event


class MailRefused(Exception):
    """The mail server will never accept this mail."""


class MailUnsupported(MailRefused):
    """The mail server lacks an extension that this mail needs."""


class MailDeferred(Exception):
    """The mail server did not accept the mail now; it may later."""


class DeliveryUnknown(Exception):
    """The connection broke after the content was sent: the mail server may have accepted the mail."""


class InvalidAddress(Exception):
    """The email address of the recipient cannot be written into a mail."""


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A mail as it is sent: the envelope, and `content` with all headers and parts (RFC 5322, lines end with CRLF).

    `message_id` has angle brackets, as in the header. `sender` and `recipient` are checked addresses with their domains in ASCII. The
    content is ASCII, unless `needs_smtputf8`: an address has a non-ASCII local part, for which there is no encoding (RFC 6532).
    """

    message_id: str
    sender: str
    recipient: str
    content: bytes
    needs_smtputf8: bool = False


class Mailbox(Protocol):
    """Where mails are delivered. `repeatable`: delivering the same Message-ID twice results in one mail."""

    repeatable: bool

    async def deliver(self, mail: RenderedMail) -> None:
        """Deliver a mail; return when it is accepted. Raises MailRefused, MailUnsupported, MailDeferred or DeliveryUnknown."""


class EmailRenderer(Protocol):
    """Renders mails."""

    def render(self, content: MailContent, now: datetime, overrides: Overrides = NO_OVERRIDES) -> RenderedMail:
        """Return the mail in the recipient's language and time zone. The Message-ID depends on the message only.

        The shipped text is used where there is no override, and where the override fails. Raises InvalidAddress.
        """

    def internet_message_id(self, message_id: UUID) -> str:
        """Return the Message-ID of the mail of a message (RFC 5322)."""


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A stored message that this release cannot read, for example of a kind that a newer release has added."""

    id: UUID


class AlreadyStored(Exception):
    """An event was handled before, or what it tells is known already."""


class NotificationTransaction(VisitTransaction, PatientMoveTransaction, WebhookTransaction, Protocol):
    """A transaction: it commits on leaving and rolls back on any exception."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""

    async def has_newer_version(self, appointment_id: UUID, version: int) -> bool:
        """Return whether a newer version of an appointment was recorded."""

    async def insert_message(self, message: Message) -> bool:
        """Insert a message; return False if one with this id exists already."""

    async def insert_messages_of_event(self, messages: Sequence[Message]) -> None:
        """Insert the messages of an event that was just marked as handled; those that exist already stay as they are."""

    async def insert_first_event(self, event_id: UUID, visit: Visit, messages: Sequence[Message]) -> None:
        """Mark the first event of an appointment as handled, and insert its visit and messages, with one request to the database.

        Raises AlreadyStored if one of them exists; then the transaction must be rolled back.
        """

    async def lock_messages_about(self, subject_ids: Collection[UUID]) -> list[Message]:
        """Return the messages about appointments or accounts; they cannot change until this transaction ends.

        Those that cannot be read are left out: they make no other message wait.
        """

    async def postpone_unreadable(self, message_id: UUID, due_at: datetime) -> None:
        """Make a queued message that cannot be read due at `due_at`, and leave the rest of it as it is."""

    async def update_message(self, before: Message, after: Message) -> bool:
        """Replace the state of a message; return False if it is no longer as `before`, because another sender changed it."""

    async def update_messages(self, changes: Sequence[tuple[Message, Message]]) -> None:
        """Replace the states of messages, each given before and after; those that are no longer as before stay as they are."""

    async def add_events(self, events: Sequence[Event]) -> None:
        """Publish events, at least one, once the transaction has committed."""


class NotificationStore(Protocol):
    """The database of notification-service."""

    def begin(self) -> AbstractAsyncContextManager[NotificationTransaction]:
        """Open a transaction."""

    async def list_due_messages(self, now: datetime, limit: int, offset: int = 0) -> Sequence[Message | UnreadableMessage]:
        """Return queued messages that are due, in the order in which they were inserted, without the first `offset` ones.

        Those that cannot be read are logged. Those to a recipient who is just being sent another one about the same subject are left out.
        """

    async def list_messages_being_sent(self) -> list[Message]:
        """Return the messages that an instance is sending, or was sending when it ended, as far as they can be read."""
