"""Whatever the order in which the bus brings events, and whatever the receiver answers: in order, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from tests.contract.webhook_instances import AccountingReceiver, WebhookInstance, add_webhook, an_instance, numbered_event
from tests.running import NOON

URL, OTHER_URL = "https://a.example", "https://b.example"
BETWEEN = st.sampled_from(["nothing", "send", "wait"])


@dataclass
class WebhookSystem:
    """One instance that lives through all examples, each of which has an appointment of its own."""

    runner: asyncio.Runner
    instance: WebhookInstance
    receiver: AccountingReceiver
    clock: MovableClock


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookSystem]:
    folder: Path = tmp_path_factory.mktemp("webhooks")
    url = f"sqlite+aiosqlite:///{folder / 'notify.db'}"
    migrate("notify_svc", url)
    clock, receiver = MovableClock(NOON, running=False), AccountingReceiver()
    with asyncio.Runner() as runner:
        opened = an_instance(url, receiver, clock, "one")
        instance = runner.run(opened.__aenter__())
        runner.run(add_webhook(instance, URL))
        runner.run(add_webhook(instance, OTHER_URL))
        yield WebhookSystem(runner, instance, receiver, clock)
        runner.run(opened.__aexit__(None, None, None))


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(range(1, 6)),
    duplicates=st.lists(st.integers(0, 4), max_size=4),
    between=st.lists(BETWEEN, min_size=9, max_size=9),
    statuses=st.lists(st.sampled_from([200, 500, 302, 429]), max_size=6),
)
def test_events_are_delivered_in_order_and_each_once(
    system: WebhookSystem, order: list[int], duplicates: list[int], between: list[str], statuses: list[int]
) -> None:
    appointment = new_id()
    events = {number: numbered_event(number, appointment) for number in order}
    system.receiver.statuses = list(statuses)

    async def run() -> None:
        for number, pause in zip([*order, *(order[index] for index in duplicates)], between, strict=False):
            await system.instance.handle(events[number], system.clock)
            if pause == "send":
                await system.instance.send_all()
            elif pause == "wait":
                system.clock.advance(timedelta(seconds=5))
        for _ in range(2 + len(statuses)):
            await system.instance.send_all()
            system.clock.advance(timedelta(minutes=40))
        await system.instance.send_all()

    system.runner.run(run())
    for url in (URL, OTHER_URL):
        assert system.receiver.received[url, str(appointment)] == [1, 2, 3, 4, 5]
        assert system.receiver.most_in_flight[url, str(appointment)] == 1
