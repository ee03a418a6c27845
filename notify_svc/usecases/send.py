"""Sending queued messages. A message is sent by one sender at a time, and never twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from notify_svc.domain.messages import ABANDONED_AFTER, Message
from notify_svc.ports import NotificationStore, RenderedMail, UnreadableMessage
from notify_svc.usecases.deliver import MailDelivery, SenderDied
from notify_svc.usecases.take import MessageTaker
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort

MAX_MESSAGES_AT_ONCE = 16
"""The largest number of deliveries at the same time. Only messages whose delivery begins at once are taken."""
POLL_SECONDS = 1.0
"""While deliveries take longer than this, the sender looks for messages that have become due meanwhile."""
STORE_SECONDS = 0.05
"""How long the result of a delivery may wait for those of others, so that one transaction stores them all."""
MAX_OFFSET_STEPS = 8
"""An instance that lost the race for messages leaves out up to this many batches, less one, when it looks again."""
UNREADABLE_PAUSE = timedelta(minutes=10)


class EndedDelivery(NamedTuple):
    """A message as it was while it was being sent, and after that. `error` is the reason why it was not sent."""

    before: Message
    after: Message
    error: Exception | None


DeliveryTask = asyncio.Task[tuple[Message, Exception | None]]
"""A delivery that is under way: its message, and in the end the reason why it was not sent."""


@dataclass(slots=True)
class MessageSender:
    """Sends queued messages. `instance_name` marks those that this instance is sending.

    Several instances share the work: each takes messages with its own transactions. `offset` is the number of due messages that this
    instance leaves to others because they were faster at the last ones. `has_more`: further messages may be due already. `unstored`
    are results that the database did not take yet.
    """

    store: NotificationStore
    delivery: MailDelivery
    now: Clock
    instance_name: str
    taker: MessageTaker
    offset: int = 0
    has_more: bool = False
    unstored: list[EndedDelivery] = field(default_factory=list)

    async def send_due(self) -> int:
        """Send messages that are due until the deliveries have ended; return how many, or 0 if no further ones are due now.

        A slow delivery counts as one of MAX_MESSAGES_AT_ONCE and delays neither the others nor the storing of their results. When the
        service is stopped, the deliveries that are under way are finished first.
        """
        under_way = set[DeliveryTask]()
        try:
            await self._store_ended()
            handled = await self._start_due(under_way)
            while under_way:
                timeout = POLL_SECONDS if len(under_way) < MAX_MESSAGES_AT_ONCE else None
                done, _ = await asyncio.wait(under_way, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    done, _ = await asyncio.wait(under_way, timeout=STORE_SECONDS)
                    await self._store_results(under_way, done)
                if under_way:
                    handled += await self._start_due(under_way)
        finally:
            if under_way:
                await finish_despite_cancellation(self._finish(under_way))
        return handled if self.has_more else 0

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

    async def _start_due(self, under_way: set[DeliveryTask]) -> int:
        """Take due messages and start their deliveries; return how many messages got another status or were postponed."""
        free = MAX_MESSAGES_AT_ONCE - len(under_way)
        due = await self._list_due(free) if free else []
        unreadable = [message for message in due if isinstance(message, UnreadableMessage)]
        for unread in unreadable:
            await self._postpone(unread)
        candidates = first_of_each_subject(message for message in due if isinstance(message, Message))
        if not candidates:
            self.offset, self.has_more = 0, len(due) == free
            return len(unreadable)
        taken = await self.taker.take(candidates, self.instance_name)
        for message, mail in taken.deliveries:
            under_way.add(asyncio.create_task(self._deliver(message, mail), name=f"deliver {message.id}"))
        self.has_more = len(due) == free or taken.handled < len(due) or taken.has_copies
        self.offset = random.randrange(1, MAX_OFFSET_STEPS) * MAX_MESSAGES_AT_ONCE if taken.handled < len(candidates) else 0
        return len(unreadable) + taken.handled

    async def _deliver(self, message: Message, mail: RenderedMail) -> tuple[Message, Exception | None]:
        try:
            await self.delivery.mailbox.deliver(mail)
        except Exception as error:
            return message, error
        return message, None

    async def _store_results(self, under_way: set[DeliveryTask], done: set[DeliveryTask]) -> None:
        """Store how deliveries have ended. Those that end together are sent at the same instant, so that one statement stores them."""
        under_way -= done
        now = self.now()
        for message, error in [task.result() for task in done]:
            after = message.mark_sent(now) if error is None else self.delivery.result_of(error, message)
            self.unstored.append(EndedDelivery(message, after, error))
        await self._store_ended()

    async def _store_ended(self) -> None:
        """Store how deliveries have ended. While the database does not answer, the results wait here for the next run."""
        ended = list(self.unstored)
        if ended:
            await self._update_all(ended)
            self.unstored = self.unstored[len(ended) :]
        for delivery in ended:
            if delivery.error is not None:
                self.delivery.report(delivery.error, delivery.after)

    async def _finish(self, under_way: set[DeliveryTask]) -> None:
        """Wait for the deliveries that are under way, and store how they have ended."""
        await asyncio.wait(under_way)
        await self._store_results(under_way, set(under_way))

    @retry_on_abort
    async def _update_all(self, ended: Sequence[EndedDelivery]) -> None:
        reminders = [event for delivery in ended if (event := delivery.after.reminder_sent_event(new_id())) is not None]
        async with self.store.begin() as tx:
            await tx.update_messages([(delivery.before, delivery.after) for delivery in ended])
            if reminders:
                await tx.add_events(reminders)

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
    async def _list_due(self, limit: int) -> Sequence[Message | UnreadableMessage]:
        return await self.store.list_due_messages(self.now(), limit, self.offset)

    @retry_on_abort
    async def _list_being_sent(self) -> list[Message]:
        return await self.store.list_messages_being_sent()


def first_of_each_subject(messages: Iterable[Message]) -> list[Message]:
    """Return the message with the oldest version of each recipient and subject; later ones wait until it was sent.

    Events can arrive in another order than they happened, so that the oldest message is not always the one that was queued first.
    """
    first = dict[tuple[UUID, UUID], Message]()
    for message in sorted(messages, key=lambda message: message.version):
        first.setdefault((message.recipient_id, message.subject_id), message)
    return list(first.values())


async def finish_despite_cancellation(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work` even if this task is cancelled meanwhile, so that no delivery stays unknown when the service stops."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
