"""Queueing the messages about an event, before any of them is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind, Notification, notifications_for
from notify_svc.ports import NotificationStore, NotificationTransaction
from notify_svc.usecases.visits import record_visit
from notify_svc.usecases.webhook_events import insert_webhook_deliveries
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AccountInvited, AccountLocked, AppointmentEvent, PasswordChanged, PasswordResetRequested
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

AccountEvent = AccountInvited | PasswordResetRequested | PasswordChanged | AccountLocked
"""The events about which the owner of an account is notified."""


@dataclass(frozen=True, slots=True)
class MessageQueue:
    """Queues messages, and events for webhooks. It calls `wake_sender` and `wake_dispatcher` then, so that they are sent at once."""

    store: NotificationStore
    now: Clock
    wake_sender: Callable[[], None]
    wake_dispatcher: Callable[[], None]

    @retry_on_abort
    async def enqueue_appointment(self, event: AppointmentEvent) -> None:
        """Queue the messages about a change of an appointment; none if a newer change was recorded before.

        The version of an amendment is not recorded, so that a confirmation that arrives after it is still sent.
        """
        async with self.store.begin() as tx:
            if not await tx.mark_handled(event.id):
                return
            has_webhooks = await insert_webhook_deliveries(tx, event, self.now())
            if is_newest := await record_visit(tx, event, self.now()):
                await self._insert(tx, notifications_for(event))
        if is_newest:
            self.wake_sender()
        if has_webhooks:
            self.wake_dispatcher()

    async def enqueue_invitation(self, event: AccountInvited) -> None:
        """Queue the invitation of a new member of staff, with a link to choose a password."""
        await self._enqueue_for_owner(event, MessageKind.INVITED)

    async def enqueue_password_reset(self, event: PasswordResetRequested) -> None:
        """Queue the mail with the link to choose a new password."""
        await self._enqueue_for_owner(event, MessageKind.RESET)

    async def enqueue_password_changed(self, event: PasswordChanged) -> None:
        """Queue the mail about a changed password to the owner of the account."""
        await self._enqueue_for_owner(event, MessageKind.PASSWORD_CHANGED)

    async def enqueue_account_locked(self, event: AccountLocked) -> None:
        """Queue the mail about too many wrong passwords to the owner of the account."""
        await self._enqueue_for_owner(event, MessageKind.ACCOUNT_LOCKED)

    @retry_on_abort
    async def _enqueue_for_owner(self, event: AccountEvent, kind: MessageKind) -> None:
        async with self.store.begin() as tx:
            if not await tx.mark_handled(event.id):
                return
            await self._insert(tx, [Notification(event, kind, Audience.OWNER, event.account_id)])
        self.wake_sender()

    async def _insert(self, tx: NotificationTransaction, notifications: Iterable[Notification]) -> None:
        """Insert a message for each notification. Its id depends on event, recipient and audience, so it cannot exist twice."""
        messages = list[Message]()
        for notification in notifications:
            message_id = derive_id(notification.event.id, notification.recipient_id, notification.audience)
            messages.append(Message.from_notification(message_id, notification, self.now()))
        await tx.insert_messages_of_event(messages)
