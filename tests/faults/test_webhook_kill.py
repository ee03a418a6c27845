"""notification-service is killed with SIGKILL between every two steps of the deliveries of a webhook: none is lost, none is overtaken."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event

from shared.contracts.identity import Role
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.migrations import migrate
from tests.faults.fatal_steps import FatalStep, kill_at_each_step
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox
from tests.tokens import bearer
from tests.unit.notify.builders import ADMIN, an_event

MAX_STEPS = 80
APPOINTMENTS = [UUID(int=0x80 + number) for number in range(2)]
EVENTS = [
    an_event(topic, id=UUID(int=0x90 + number), appointment_id=appointment_id, version=version, event_number=version)
    for number, (appointment_id, version, topic) in enumerate(
        [
            (APPOINTMENTS[0], 1, "appointment.booked.v1"),
            (APPOINTMENTS[0], 2, "appointment.amended.v1"),
            (APPOINTMENTS[1], 1, "appointment.booked.v1"),
            (APPOINTMENTS[0], 3, "appointment.cancelled.v1"),
        ]
    )
]


class Receiver(ThreadingHTTPServer):
    """Accepts every delivery. `received` has appointment, sequence and `webhook-id` of each, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), DeliveryRecorder)
        self.received = list[tuple[str, int, str]]()


class DeliveryRecorder(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        facts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((facts["data"]["appointment"]["id"], facts["sequence"], self.headers["webhook-id"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def run_notify(folder: Path, now: datetime = NOON) -> AbstractAsyncContextManager[RunningService]:
    settings: dict[str, Any] = {"mail_url": "file:unused", "webhook_allow_private": True, "webhook_key": "k" * 40}
    return run_service("notify_svc", folder, FakeContactServices(), mailbox=MemoryMailbox(), now=now, migrated=False, **settings)


async def create_webhook(folder: Path, receiver: Receiver) -> None:
    """Store a webhook, and leave the events on the bus while the service is away."""
    async with run_notify(folder) as service:
        body = {"url": f"http://127.0.0.1:{receiver.server_port}/", "events": ["appointment.*"]}
        assert (await service.http.post("/webhooks", json=body, headers=bearer(Role.ADMIN, ADMIN))).status_code == 201
    async with EmbeddedBus(str(folder / "bus.db"), lambda: NOON) as bus:
        for published in EVENTS:
            await bus.publish(published.topic, str(published.id), json.dumps(published.to_cloudevent("test")).encode())


async def deliver_events(folder: Path, step: FatalStep) -> None:
    """Run the service until every delivery has ended, and count the steps."""
    event.listen(Engine, "commit", step.commit)
    async with run_notify(folder) as service:
        step.is_armed = True
        await service.run_until_idle()
        step.is_armed = False


async def recover(folder: Path) -> None:
    """Run the service again, some minutes later, until nothing is left to do."""
    async with run_notify(folder, NOON + timedelta(minutes=5)) as service:
        await service.advance(timedelta(minutes=15), steps=3)


def test_a_kill_between_any_two_steps_loses_no_delivery_and_keeps_their_order(tmp_path: Path, receiver: Receiver) -> None:
    """A delivery whose answer was not stored is sent again with its id; at most one was under way for each appointment."""
    prepared, repeated = tmp_path / "prepared", 0
    prepared.mkdir()
    migrate("notify_svc", f"sqlite+aiosqlite:///{prepared / 'notify_svc'}.db")
    asyncio.run(create_webhook(prepared, receiver))
    for fatal, folder in kill_at_each_step(prepared, deliver_events, MAX_STEPS):
        asyncio.run(recover(folder))
        for number, appointment_id in enumerate(APPOINTMENTS):
            own = [delivery[1:] for delivery in receiver.received if delivery[0] == str(appointment_id)]
            counts = Counter(own)
            assert [sequence for sequence, _ in counts] == [[1, 2, 3], [1]][number], f"step {fatal}: {own}"
            assert own == sorted(own), f"step {fatal}: an older event came after a newer one: {own}"
            assert max(counts.values()) <= 2, f"step {fatal}: {own}"
            repeated += len(own) - len(counts)
        receiver.received.clear()
    assert fatal > 3 * len(EVENTS), "each event is recorded, taken and finished"
    assert 0 < repeated <= 2 * fatal
