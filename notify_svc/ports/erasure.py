"""Messages to people whose data are erased: their store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from notify_svc.domain.messages import Message


class RecipientTransaction(Protocol):
    """The part of a transaction that changes the messages to one person."""

    async def lock_messages_to(self, recipient_id: UUID, limit: int, after: UUID | None) -> Sequence[Message]:
        """Return up to `limit` messages to a person, by id, after the message `after`, and lock them; without those that cannot be read."""

    async def erase_texts_to(self, recipient_id: UUID) -> int:
        """Delete what staff wrote to a person from these messages and from the copies to guardians; return how many messages had a text."""

    async def update_messages(self, changes: Sequence[tuple[Message, Message]]) -> None:
        """Replace the states of messages, each given before and after; those that are no longer as before stay as they are."""


class RecipientStore(Protocol):
    """The database of notification-service, as far as it concerns the messages to one person."""

    def begin(self) -> AbstractAsyncContextManager[RecipientTransaction]:
        """Open a transaction."""
