"""Sending the deliveries of webhooks: at least once, in order per appointment, and independently of other webhooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from notify_svc.domain.webhook_deliveries import (
    ABANDONED_AFTER_SENDING_FOR,
    GONE,
    MAX_IN_FLIGHT,
    DeliveryStatus,
    WebhookDelivery,
    WebhookProblem,
    WebhookResponse,
)
from notify_svc.domain.webhooks import Webhook, WebhookStatus
from notify_svc.ports.webhooks import SignedDelivery, WebhookReads, WebhookReceiver, WebhookSecrets, WebhookStore
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

POLL_SECONDS = 1.0
GRACE_SECONDS = 2.0
"""How long deliveries in flight may take when the service ends; then they are queued again."""


class TakenDeliveries(NamedTuple):
    """What this instance has taken of one webhook: deliveries to send, and the number of those that were given up as too old."""

    webhook: Webhook | None
    deliveries: list[WebhookDelivery]
    too_old: int = 0


@dataclass(slots=True)
class WebhookDispatcher:
    """Sends due deliveries on every instance while it is entered with `async with`.

    Each delivery is a task of its own, so that a receiver that hangs holds MAX_IN_FLIGHT tasks and no other webhook waits for them.
    `random` returns numbers between 0 and 1. `instance_name` marks the deliveries that this instance sends.
    """

    store: WebhookStore
    reads: WebhookReads
    receiver: WebhookReceiver
    secrets: WebhookSecrets
    now: Clock
    random: Callable[[], float]
    instance_name: str
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _wake_event: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        await self._release_own()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        unfinished = list(self._tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if unfinished:
            with suppress(Exception):  # deliveries that cannot be queued again count as abandoned after a minute
                await self._release_own()

    def wake(self) -> None:
        """Make a run that waits for deliveries in flight look for due ones."""
        self._wake_event.set()

    async def send_due(self) -> int:
        """Start to send what is due. Returns 0 when nothing is due and nothing in flight.

        With nothing due but deliveries in flight it waits until one ends, `wake` is called, or POLL_SECONDS are over.
        """
        self._wake_event.clear()
        started = sum([await self._start(webhook_id) for webhook_id in await self._list_due_webhooks()])
        if started or not self._tasks:
            return started
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake_event.wait()
        return 1

    async def _start(self, webhook_id: UUID) -> int:
        """Take the next deliveries of a webhook and start a task for each; return how many have another status now."""
        taken = await self._take(webhook_id)
        for delivery in taken.deliveries:
            assert taken.webhook is not None
            task = asyncio.create_task(self._deliver(taken.webhook, delivery))
            self._tasks.add(task)
            task.add_done_callback(self._forget)
        return len(taken.deliveries) + taken.too_old

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake()

    @retry_on_abort
    async def _take(self, webhook_id: UUID) -> TakenDeliveries:
        """Store the next deliveries of a webhook as being sent.

        All transactions that change which delivery is next lock the webhook, so that no two of a stream are in flight.
        """
        now, started, too_old = self.now(), list[WebhookDelivery](), 0
        async with self.store.begin() as tx:
            webhook = await tx.lock_idle_webhook(webhook_id)
            if webhook is None or webhook.status is not WebhookStatus.ACTIVE:
                return TakenDeliveries(None, [])
            await tx.requeue_abandoned(webhook_id, now - ABANDONED_AFTER_SENDING_FOR, now)
            places = MAX_IN_FLIGHT - await tx.count_in_flight(webhook_id)
            for queued in await tx.list_next_deliveries(webhook_id, now, places) if places > 0 else ():
                if queued.is_too_old(now):
                    too_old += await tx.save_delivery(queued, queued.give_up(WebhookProblem.TOO_OLD))
                else:
                    delivery = queued.start(self.instance_name, now)
                    started += [delivery] if await tx.save_delivery(queued, delivery) else []
        return TakenDeliveries(webhook, started, too_old)

    async def _deliver(self, webhook: Webhook, delivery: WebhookDelivery) -> None:
        """Send a delivery and store the outcome. A failure is logged; if nothing could be stored, it is sent again later."""
        try:
            response = await self._send(webhook, delivery)
            await self._finish(webhook.url, delivery, response)
        except Exception as error:
            log_event("webhook_delivery_not_stored", logging.ERROR, error=error, delivery_id=delivery.id)

    async def _send(self, webhook: Webhook, delivery: WebhookDelivery) -> WebhookResponse:
        now = self.now()
        try:
            headers = self.secrets.signature_headers(webhook.valid_secrets(now), delivery, now)
            return await self.receiver.send(SignedDelivery(webhook.url, headers, delivery.body, webhook.id))
        except Exception as error:
            log_event("webhook_delivery_failed", logging.ERROR, error=error, delivery_id=delivery.id)
            return WebhookResponse(problem=WebhookProblem.INTERRUPTED)

    @retry_on_abort
    async def _finish(self, url: str, delivery: WebhookDelivery, response: WebhookResponse) -> None:
        """Store the end of an attempt and what it means for the webhook, unless another instance has taken the delivery meanwhile.

        If the webhook has another URL by now, the answer of the old one means nothing for it.
        """
        now = self.now()
        async with self.store.begin() as tx:
            webhook = await tx.lock_webhook(delivery.webhook_id)
            if webhook is None:
                return
            if webhook.url == url:
                changed, finished = _after_attempt(webhook, response, now), delivery.finish(response, self.random(), now)
            else:
                changed, finished = webhook, delivery.send_to_new_url(response, now)
            if changed.status is WebhookStatus.ENDED and finished.status is DeliveryStatus.QUEUED:
                finished = finished.give_up(WebhookProblem.ENDED)
            if not await tx.save_delivery(delivery, finished):
                return
            if changed != webhook:
                await tx.save_webhook(changed)
            if changed.status is WebhookStatus.ENDED:
                await tx.give_up_deliveries(webhook.id)

    @retry_on_abort
    async def _release_own(self) -> None:
        async with self.store.begin() as tx:
            await tx.release_own_deliveries(self.instance_name, self.now())

    @retry_on_abort
    async def _list_due_webhooks(self) -> list[UUID]:
        now = self.now()
        return list(await self.reads.list_due_webhooks(now, now - ABANDONED_AFTER_SENDING_FOR))


def _after_attempt(webhook: Webhook, response: WebhookResponse, now: datetime) -> Webhook:
    """Return the webhook after an attempt to deliver to it."""
    if response.is_success:
        return webhook.record_success()
    return webhook.end() if response.status == GONE else webhook.record_failure(now)
