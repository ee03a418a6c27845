"""Reading the log of messages, and deleting old ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.refusals import NoSuchMessage
from notify_svc.ports.message_log import FinishedMessages, LoggedMessage, MessageFilter, MessageReader
from shared.contracts.ranges import check_range
from shared.kit.batch_deletion import delete_in_batches
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

SHOWN_TO_RECIPIENTS = (MessageStatus.SENT, MessageStatus.UNKNOWN, MessageStatus.FAILED)
"""A recipient sees messages that arrived, that may have arrived and that could not be delivered; not those that wait or were skipped."""


@dataclass(frozen=True, slots=True)
class MessageLog:
    """The log of all messages. `internet_message_id` returns the Message-ID of the mail of a message (RFC 5322)."""

    reader: MessageReader
    internet_message_id: Callable[[UUID], str]

    @retry_on_abort
    async def list_messages(self, wanted: MessageFilter, limit: int, after: tuple[str, ...] | None) -> list[LoggedMessage]:
        """Return up to `limit + 1` messages, newest first; the extra one tells that there is a next page. Raise RangeReversed."""
        if wanted.created_from is not None and wanted.created_to is not None:
            check_range(wanted.created_from, wanted.created_to)
        return await self.reader.list_messages(wanted, limit + 1, after)

    async def list_for_recipient(self, recipient_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[LoggedMessage]:
        """Return up to `limit + 1` messages that a person was sent, newest first."""
        return await self.list_messages(MessageFilter(SHOWN_TO_RECIPIENTS, recipient_id=recipient_id), limit, after)

    @retry_on_abort
    async def get(self, message_id: UUID) -> LoggedMessage:
        """Return a message with its Message-ID; raise NoSuchMessage if there is none."""
        message = await self.reader.find_message(message_id)
        if message is None:
            raise NoSuchMessage
        return replace(message, internet_message_id=self.internet_message_id(message.id))


@dataclass(frozen=True, slots=True)
class MessageRetention:
    """Deletes messages that are older than `keep_days` days."""

    messages: FinishedMessages
    keep_days: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to MAX_DELETED old messages in short transactions, and return how many.

        Messages that are still to be sent stay, however old they are.
        """
        return await delete_in_batches(self.messages.delete_finished_messages, self.now() - timedelta(days=self.keep_days()))
