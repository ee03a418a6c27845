"""Instances that send webhooks from one database, and a receiver that keeps account."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from notify_svc.clients.webhook_signing import StandardWebhookSecrets
from notify_svc.domain.webhook_deliveries import WebhookResponse
from notify_svc.domain.webhooks import Webhook
from notify_svc.ports.webhooks import SignedDelivery
from notify_svc.repository import SqlNotificationStore, SqlWebhookReads
from notify_svc.usecases.deliver_webhooks import WebhookDispatcher
from notify_svc.usecases.webhook_events import insert_webhook_deliveries
from shared.contracts.events import AppointmentEvent
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.retry import retry_transaction
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import an_event

SECRETS = StandardWebhookSecrets("k" * 40)
SIGNED_BODY = TypeAdapter(dict[str, Any])
Stream = tuple[str, str]


@dataclass
class AccountingReceiver:
    """Keeps what it received per URL and appointment, and how much was in flight. `statuses` are answered first, then 200.

    With `hangs` it receives a delivery and never answers.
    """

    hangs: bool = False
    statuses: list[int] = field(default_factory=list)
    received: dict[Stream, list[int]] = field(default_factory=dict)
    webhook_ids: list[str] = field(default_factory=list)
    in_flight: Counter[Stream | str] = field(default_factory=Counter)
    most_in_flight: Counter[Stream | str] = field(default_factory=Counter)
    got_one: asyncio.Event = field(default_factory=asyncio.Event)

    async def check_url(self, url: str) -> None: ...

    async def send(self, delivery: SignedDelivery) -> WebhookResponse:
        facts: dict[str, Any] = SIGNED_BODY.validate_json(delivery.body)
        stream = (delivery.url, facts["data"]["appointment"]["id"])
        self.webhook_ids.append(delivery.headers["webhook-id"])
        for key in (stream, delivery.url):
            self.in_flight[key] += 1
            self.most_in_flight[key] = max(self.in_flight[key], self.most_in_flight[key])
        self.got_one.set()
        await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0.001))
        for key in (stream, delivery.url):
            self.in_flight[key] -= 1
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.received.setdefault(stream, []).append(facts["sequence"])
        return WebhookResponse(status)


@dataclass
class WebhookInstance:
    """One instance: its store and its dispatcher."""

    store: SqlNotificationStore
    dispatcher: WebhookDispatcher

    async def send_all(self) -> None:
        """Send until nothing is due and nothing in flight."""
        while await self.dispatcher.send_due():
            pass

    async def handle(self, event: AppointmentEvent, clock: MovableClock) -> None:
        """Queue an event as the consumer does."""

        async def insert() -> None:
            async with self.store.begin() as tx:
                if await tx.mark_handled(event.id):
                    await insert_webhook_deliveries(tx, event, clock())

        await retry_transaction(insert)

    async def kill(self) -> None:
        """End the instance as SIGKILL does: nothing is stored or given back any more."""
        for task in list(self.dispatcher._tasks):
            task.cancel()
        await asyncio.gather(*self.dispatcher._tasks, return_exceptions=True)


@asynccontextmanager
async def an_instance(url: str, receiver: AccountingReceiver, clock: MovableClock, name: str) -> AsyncIterator[WebhookInstance]:
    """Open the database of all instances as one more instance."""
    async with Database(url) as database:
        store = SqlNotificationStore(database, clock)
        yield WebhookInstance(store, WebhookDispatcher(store, SqlWebhookReads(database), receiver, SECRETS, clock, lambda: 0.5, name))


async def add_webhook(instance: WebhookInstance, url: str, *events: str) -> Webhook:
    webhook = Webhook(new_id(), url, events or ("appointment.*",), None, SECRETS.encrypt(SECRETS.create_secret()), NOON)
    async with instance.store.begin() as tx:
        await tx.insert_webhook(webhook)
    return webhook


def numbered_event(number: int, appointment_id: UUID) -> AppointmentEvent:
    """Return the event of an appointment with this number."""
    return an_event(id=new_id(), version=number + 1, event_number=number, appointment_id=appointment_id)
