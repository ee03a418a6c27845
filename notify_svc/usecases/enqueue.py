"""Queueing the messages about an event, before any of them is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notify_svc.domain.clinic_messages import ClinicMessageWritten
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind, Notification, is_amendment, notifications_for
from notify_svc.domain.visits import Visit
from notify_svc.ports import AlreadyStored, NotificationStore
from notify_svc.usecases.visits import record_visit
from notify_svc.usecases.webhook_events import insert_webhook_deliveries
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import (
    AccountInvited,
    AccountLocked,
    AppointmentEvent,
    BreakGlassOpened,
    PasswordChanged,
    PasswordResetRequested,
)
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
        if event.event_number == 1 and not is_amendment(event) and await self._enqueue_first(event):
            return
        async with self.store.begin() as tx:
            if not await tx.mark_handled(event.id):
                return
            now = self.now()
            has_webhooks = await insert_webhook_deliveries(tx, event, now)
            if is_newest := await record_visit(tx, event, now):
                await tx.insert_messages_of_event(messages_of(notifications_for(event), now))
        if is_newest:
            self.wake_sender()
        if has_webhooks:
            self.wake_dispatcher()

    async def _enqueue_first(self, event: AppointmentEvent) -> bool:
        """Do the same for the first event of an appointment, with three requests to the database instead of five.

        Return False and store nothing if there are webhooks, if the event was handled before, or if its visit is known already.
        """
        now = self.now()
        try:
            async with self.store.begin() as tx:
                if await tx.list_receiving_webhooks():
                    return False
                await tx.insert_first_event(event.id, Visit.from_event(event, now), messages_of(notifications_for(event), now))
        except AlreadyStored:
            return False
        self.wake_sender()
        return True

    async def enqueue_invitation(self, event: AccountInvited) -> None:
        """Queue the invitation of a new member of staff, with a link to choose a password."""
        await self._enqueue_once(_for_owner(event, MessageKind.INVITED))

    async def enqueue_password_reset(self, event: PasswordResetRequested) -> None:
        """Queue the mail with the link to choose a new password."""
        await self._enqueue_once(_for_owner(event, MessageKind.RESET))

    async def enqueue_password_changed(self, event: PasswordChanged) -> None:
        """Queue the mail about a changed password to the owner of the account."""
        await self._enqueue_once(_for_owner(event, MessageKind.PASSWORD_CHANGED))

    async def enqueue_account_locked(self, event: AccountLocked) -> None:
        """Queue the mail about too many wrong passwords to the owner of the account."""
        await self._enqueue_once(_for_owner(event, MessageKind.ACCOUNT_LOCKED))

    async def enqueue_record_opened(self, event: BreakGlassOpened) -> None:
        """Queue the mail about a medical history that an admin opened, to the patient; the guardians of a dependant get it instead."""
        await self._enqueue_once(Notification(event, MessageKind.RECORD_OPENED, Audience.PATIENT, event.patient_id))

    async def enqueue_clinic_message(self, message_id: UUID, patient_id: UUID, text: str) -> None:
        """Queue a message of the clinic to a patient, once per `message_id`; the guardians of a dependant get it instead."""
        written = ClinicMessageWritten(id=message_id, occurred_at=self.now(), message_id=message_id, patient_id=patient_id, text=text)
        await self._enqueue_once(Notification(written, MessageKind.CLINIC_MESSAGE, Audience.PATIENT, patient_id))

    @retry_on_abort
    async def _enqueue_once(self, notification: Notification) -> None:
        async with self.store.begin() as tx:
            if not await tx.mark_handled(notification.event.id):
                return
            await tx.insert_messages_of_event(messages_of([notification], self.now()))
        self.wake_sender()


def _for_owner(event: AccountEvent, kind: MessageKind) -> Notification:
    return Notification(event, kind, Audience.OWNER, event.account_id)


def messages_of(notifications: Iterable[Notification], now: datetime) -> list[Message]:
    """Return a message for each notification. Its id depends on event, recipient and audience, so it cannot exist twice."""
    messages = list[Message]()
    for notification in notifications:
        message_id = derive_id(notification.event.id, notification.recipient_id, notification.audience)
        messages.append(Message.from_notification(message_id, notification, now))
    return messages
