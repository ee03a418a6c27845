"""Sending queued messages. A message is sent by one sender at a time, and never twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from notify_svc.domain.messages import ABANDONED_AFTER, Message, MessageStatus
from notify_svc.ports import NotificationStore, UnreadableMessage
from notify_svc.usecases.deliver import MailDelivery, SenderDied
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

MAX_MESSAGES_AT_ONCE = 8
UNREADABLE_PAUSE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class MessageSender:
    """Sends queued messages. `instance_name` marks those that this instance is sending."""

    store: NotificationStore
    delivery: MailDelivery
    now: Clock
    instance_name: str

    async def send_due(self) -> int:
        """Send up to MAX_MESSAGES_AT_ONCE due messages; return how many got another status or were postponed.

        Messages about the same subject are sent one after the other in their order, all others at the same time. Messages that this
        release cannot read are postponed, so that they do not take the places of others in each run.
        """
        by_subject, postponed = dict[UUID, list[Message]](), 0
        for message in await self._list_due():
            if isinstance(message, UnreadableMessage):
                await self._postpone(message)
                postponed += 1
            else:
                by_subject.setdefault(message.subject_id, []).append(message)
        return postponed + sum(await asyncio.gather(*map(self._send_in_order, by_subject.values())))

    async def recover_abandoned(self) -> int:
        """Recover the messages that an instance started to send ABANDONED_AFTER ago or earlier; return how many."""
        before = self.now() - ABANDONED_AFTER
        return await self._recover(lambda message: message.taken_at is not None and message.taken_at < before)

    async def recover_own(self) -> int:
        """Recover, at the start, the messages that this instance was sending when it ended; return how many."""
        return await self._recover(lambda message: message.holder == self.instance_name)

    async def _recover(self, is_abandoned: Callable[[Message], bool]) -> int:
        abandoned = [message for message in await self._list_being_sent() if is_abandoned(message)]
        recovered = 0
        for message in abandoned:
            result = self.delivery.result_of(SenderDied(), message)
            if await self._update(message, result):
                self.delivery.report(SenderDied(), result)
                recovered += 1
        return recovered

    async def _send_in_order(self, messages: list[Message]) -> int:
        return sum([await self._send(message) for message in messages])

    async def _send(self, queued: Message) -> bool:
        """Send one message; return False if it must wait, another sender has it, or the sending fails.

        A failure is logged, so that it does not stop the others.
        """
        try:
            message = await self._start_sending(queued)
            if message is not None and message.status is MessageStatus.SENDING:
                await finish_despite_cancellation(self._deliver(message))
        except Exception as error:
            log_event("mail_failed", logging.ERROR, error=error, message_id=queued.id)
            return False
        return message is not None

    @retry_on_abort
    async def _start_sending(self, queued: Message) -> Message | None:
        """Store the message as being sent, or skipped, and return it; return None if it must wait or another sender has it."""
        async with self.store.begin() as tx:
            started = queued.start_in_order(await tx.lock_related_messages(queued), self.instance_name, self.now())
            return started if started is not None and await tx.update_message(queued, started) else None

    async def _deliver(self, message: Message) -> None:
        """Deliver a message and store the result.

        `current` is the state that was stored last. It is marked as handed over before the mailbox gets the mail: if this process dies
        then, the message counts as possibly delivered.
        """
        current = message
        try:
            mail = await self.delivery.prepare(message)
            if not await self._update(message, message.mark_handed_over()):
                return
            current = message.mark_handed_over()
            await self.delivery.mailbox.deliver(mail)
        except Exception as error:
            result = self.delivery.result_of(error, current)
            await self._update(current, result)
            self.delivery.report(error, result)
        else:
            await self._update(current, current.mark_sent(self.now()))

    @retry_on_abort
    async def _update(self, before: Message, after: Message) -> bool:
        async with self.store.begin() as tx:
            return await tx.update_message(before, after)

    @retry_on_abort
    async def _postpone(self, message: UnreadableMessage) -> None:
        async with self.store.begin() as tx:
            await tx.postpone_unreadable(message.id, self.now() + UNREADABLE_PAUSE)
        self.delivery.count_not_sent("unreadable")

    @retry_on_abort
    async def _list_due(self) -> Sequence[Message | UnreadableMessage]:
        return await self.store.list_due_messages(self.now(), MAX_MESSAGES_AT_ONCE)

    @retry_on_abort
    async def _list_being_sent(self) -> list[Message]:
        return await self.store.list_messages_being_sent()


async def finish_despite_cancellation(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end even if this task is cancelled meanwhile, so that no delivery stays unknown when the service stops."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
