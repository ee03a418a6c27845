"""Sending a message again because a member of staff asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notify_svc.domain.messages import Message
from notify_svc.domain.refusals import MessageUnreadable, NoSuchMessage
from notify_svc.domain.resending import Resend, resend_message
from notify_svc.ports.message_log import ResendStore
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Caller, Service
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class MessageResending:
    """Queues messages again, or their repetitions. It calls `wake_sender` then, so that they are sent at once."""

    store: ResendStore
    now: Clock
    wake_sender: Callable[[], None]

    @retry_on_abort
    async def resend(self, message_id: UUID, by: Caller, request_id: UUID) -> UUID:
        """Send a message again, and return its id or that of the message that repeats it. The same `request_id` sends it once.

        Raises NoSuchMessage, MessageUnreadable, MessageNotFinished, ResentJustNow or MessageOutdated.
        """
        async with self.store.begin() as tx:
            locked = await tx.lock_message(message_id)
            if locked is None:
                raise NoSuchMessage
            if locked.message is None:
                raise MessageUnreadable
            if locked.message.resend_id == request_id:
                return next((other.id for other in locked.related if other.id == request_id), message_id)
            resent = resend_message(locked.message, locked.related, locked.visit, Resend(request_id, by.id, self.now()))
            await tx.update_message(locked.message, resent.message)
            await tx.add_event(_audit_event(resent.repetition or resent.message, by, self.now()))
            if resent.repetition is not None:
                await tx.insert_message(resent.repetition)
        self.wake_sender()
        return (resent.repetition or resent.message).id


def _audit_event(message: Message, by: Caller, at: datetime) -> AuditRecorded:
    state = {"kind": message.kind.value}
    return audit_event(Service.NOTIFICATION, by, "message.resend", message.recipient_id, at=at, after=state, row_id=message.id)
