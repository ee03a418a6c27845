"""Taking messages: their mails are made first, and then one transaction decides which of them are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from notify_svc.domain.messages import NOT_A_RECIPIENT, Message, MessageStatus
from notify_svc.ports import NotificationStore, NotificationTransaction, RenderedMail
from notify_svc.usecases.contact_cache import MAX_AGE
from notify_svc.usecases.deliver import MailDelivery
from notify_svc.usecases.reminders_check import Outdated
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


class PreparedMessage(NamedTuple):
    """A due message, its mail or the reason why there is none, and the guardians who get the message, too."""

    message: Message
    mail: RenderedMail | Exception
    guardian_ids: Sequence[UUID]


@dataclass(slots=True)
class TakenMessages:
    """The outcome for some due messages: those to deliver now, with their mails, and those that were not sent, with the reasons.

    `handled` is the number of all that got another status. `has_copies`: messages to guardians were queued.
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
        taken = await self._start(await asyncio.gather(*map(self._prepare, messages)), holder)
        for error, message in taken.not_sent:
            self.delivery.report(error, message)
        return taken

    async def _prepare(self, message: Message) -> PreparedMessage:
        try:
            mail: RenderedMail | Exception = await self.delivery.prepare(message)
        except Refusal as error:  # another service does not answer: the message is tried again
            return PreparedMessage(message, error, ())
        except Exception as error:
            mail = error
        try:
            return PreparedMessage(message, mail, await self.delivery.find_guardians(message))
        except Exception as error:  # the message is tried again, so that no guardian is forgotten
            return PreparedMessage(message, error, ())

    @retry_on_abort
    async def _start(self, prepared: Sequence[PreparedMessage], holder: str) -> TakenMessages:
        taken, changes, now = TakenMessages(), list[tuple[Message, Message]](), self.now()
        async with self.store.begin() as tx:
            related = await tx.lock_messages_about({item.message.subject_id for item in prepared})
            stored = {message.id: message for message in related}
            for message, mail, guardian_ids in prepared:
                others = [other for other in related if other.is_related_to(message)]
                if stored.get(message.id) != message or (started := message.start_in_order(others, holder, now)) is None:
                    continue
                changes.append((message, await self._record_outcome(tx, started, mail, taken)))
                if started.status is MessageStatus.SENDING:
                    await self._queue_copies(tx, started, guardian_ids, taken)
            await tx.update_messages(changes)
        taken.handled = len(changes)
        return taken

    async def _record_outcome(
        self, tx: NotificationTransaction, started: Message, mail: RenderedMail | Exception, taken: TakenMessages
    ) -> Message:
        """Add a message to those to deliver or to those that are not sent, and return it as it is to be stored."""
        if started.status is not MessageStatus.SENDING:
            taken.not_sent.append((Outdated(started.problem), started))
            return started
        if isinstance(mail, RenderedMail):
            taken.deliveries.append((started, mail))
            return started
        if isinstance(mail, Outdated) and str(mail) == NOT_A_RECIPIENT:
            await tx.plan_visit_again(started.subject_id, self.now() + MAX_AGE, self.now())
        result = self.delivery.result_of(mail, started)
        taken.not_sent.append((mail, result))
        return result

    async def _queue_copies(
        self, tx: NotificationTransaction, message: Message, guardian_ids: Sequence[UUID], taken: TakenMessages
    ) -> None:
        """Queue a message to each guardian, unless an earlier attempt did."""
        for guardian_id in guardian_ids:
            taken.has_copies |= await tx.insert_message(message.copy_for(guardian_id, self.now()))
