"""Taking messages: their mails are made first, and then one transaction decides which of them are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from notify_svc.domain.messages import Message, MessageStatus
from notify_svc.ports import NotificationStore, NotificationTransaction, RenderedMail
from notify_svc.usecases.compose import IsForGuardians
from notify_svc.usecases.deliver import MailDelivery
from notify_svc.usecases.reminders_check import Outdated
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(slots=True)
class TakenMessages:
    """The outcome for some due messages: those to deliver now, with their mails, and those that were not sent, with the reasons.

    `handled` is the number of all that got another status. `has_copies`: messages to guardians were queued instead of others.
    """

    deliveries: list[tuple[Message, RenderedMail]] = field(default_factory=list)
    not_sent: list[tuple[Exception, Message]] = field(default_factory=list)
    handled: int = 0
    has_copies: bool = False


@dataclass(frozen=True, slots=True)
class MessageTaker:
    """Makes the mails of messages and takes the messages.

    Until the transaction commits, nothing has happened: an instance that dies before leaves queued messages. After it, the delivery begins
    at once, so that a message that was taken may have been delivered.
    """

    store: NotificationStore
    delivery: MailDelivery
    now: Clock

    async def take(self, messages: Sequence[Message], holder: str) -> TakenMessages:
        """Take queued messages, at most one of each recipient and subject, and return the outcome.

        Those that wait for an older one, and those that another instance has taken, are left out.
        """
        mails = await asyncio.gather(*map(self.delivery.prepare, messages), return_exceptions=True)
        taken = await self._start(list(zip(messages, mails, strict=True)), holder)
        for error, message in taken.not_sent:
            self.delivery.report(error, message)
        return taken

    @retry_on_abort
    async def _start(self, prepared: Sequence[tuple[Message, RenderedMail | BaseException]], holder: str) -> TakenMessages:
        taken, changes, now = TakenMessages(), list[tuple[Message, Message]](), self.now()
        async with self.store.begin() as tx:
            related = await tx.lock_messages_about({message.subject_id for message, _ in prepared})
            stored = {message.id: message for message in related}
            for message, mail in prepared:
                others = [other for other in related if other.is_related_to(message)]
                if stored.get(message.id) != message or (started := message.start_in_order(others, holder, now)) is None:
                    continue
                changes.append((message, await self._record_outcome(tx, started, mail, taken)))
            await tx.update_messages(changes)
        taken.handled = len(changes)
        return taken

    async def _record_outcome(
        self, tx: NotificationTransaction, started: Message, mail: RenderedMail | BaseException, taken: TakenMessages
    ) -> Message:
        """Add a message to those to deliver or to those that are not sent, and return it as it is to be stored."""
        if started.status is not MessageStatus.SENDING:
            taken.not_sent.append((Outdated(started.problem), started))
            return started
        if isinstance(mail, RenderedMail):
            taken.deliveries.append((started, mail))
            return started
        if not isinstance(mail, Exception):
            raise mail
        if isinstance(mail, IsForGuardians):
            taken.has_copies = True
            for guardian_id in mail.guardian_ids:
                await tx.insert_message(started.copy_for(guardian_id, self.now()))
        result = self.delivery.result_of(mail, started)
        taken.not_sent.append((mail, result))
        return result
