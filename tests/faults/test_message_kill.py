"""notification-service is killed with SIGKILL between every two steps of the life of its messages: none is lost, none is sent twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.domain.messages import MessageStatus
from notify_svc.ports import RenderedMail
from shared.contracts.events import AppointmentEvent
from shared.contracts.identity import Service
from shared.kit.migrations import migrate
from tests.faults.fatal_steps import FatalStep, kill_at_each_step, run_in_child
from tests.platform.houses import SmtpServer
from tests.running import NOON, run_service
from tests.service.notify.fake_services import EMAILS, ZONES, FakeContactServices, stored_messages
from tests.unit.notify.builders import PATIENT, an_event

MAX_STEPS = 120
GUARDIANS = ("00000000-0000-0000-0000-000000000064", "00000000-0000-0000-0000-000000000065")


class MortalMailbox(SmtpMailbox):
    """A mailbox before and after each of whose deliveries the process may die."""

    def __init__(self, url: str, step: FatalStep) -> None:
        super().__init__(url)
        self._step = step

    async def deliver(self, mail: RenderedMail) -> None:
        self._step()
        await super().deliver(mail)
        self._step()


class KillingServer(SmtpServer):
    """Kills a process when it has read a mail, before it replies."""

    victim: int | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        reply = await super().handle_DATA(server, session, envelope)
        if self.victim is not None:
            os.kill(self.victim, signal.SIGKILL)
            self.victim = None
        return reply


@dataclass(frozen=True)
class Scenario:
    """What happens to one appointment: its event, and then the time that passes. `messages` are all that there are in the end."""

    services: FakeContactServices
    event: AppointmentEvent
    messages: int
    passing: timedelta = timedelta(0)


def a_booking() -> Scenario:
    """The visit is a week ahead."""
    return Scenario(FakeContactServices(), an_event(), messages=2)


def a_booking_with_reminder() -> Scenario:
    """The visit begins in 90 minutes, and its reminder is due an hour before."""
    soon = an_event(starts_at=NOON + timedelta(minutes=90))
    return Scenario(FakeContactServices(), soon, messages=3, passing=timedelta(minutes=30))


def a_booking_of_a_dependant_with_reminders() -> Scenario:
    """Two guardians get a copy and a reminder each, beside the mail to the doctor. The dependant gets no mail."""
    scenario = a_booking_with_reminder()
    scenario.services.missing.add((Service.AUTH, str(PATIENT)))
    scenario.services.profiles[str(PATIENT)] = {"guardian_ids": list(GUARDIANS)}
    scenario.services.changes |= {guardian: {"role": "patient"} for guardian in GUARDIANS}
    return replace(scenario, messages=5)


async def run_scenario(scenario: Scenario, port: int, folder: Path, step: FatalStep) -> None:
    """Run the service, deliver the event to it, let time pass, and count the steps until nothing is left to do."""
    event.listen(Engine, "commit", step.commit)
    async with MortalMailbox(f"smtp://127.0.0.1:{port}", step) as mailbox:
        options: dict[str, Any] = {"mailbox": mailbox, "mail_url": "file:unused", "migrated": False}
        async with run_service("notify_svc", folder, scenario.services, **options) as service:
            step.is_armed = True
            await service.publish_event(scenario.event)
            service.clock.advance(scenario.passing)
            await service.run_until_idle()
            step.is_armed = False


async def recover(scenario: Scenario, folder: Path, port: int) -> None:
    """Run the service again, some minutes later, until nothing is left to do."""
    url, later = f"smtp://127.0.0.1:{port}", NOON + scenario.passing + timedelta(minutes=5)
    async with run_service("notify_svc", folder, scenario.services, now=later, mail_url=url, migrated=False) as service:
        await service.advance(timedelta(minutes=15), steps=3)


@pytest.fixture
def server() -> Iterator[KillingServer]:
    running = KillingServer()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def empty_database(tmp_path: Path) -> Path:
    """A folder with the migrated database of the service."""
    folder = tmp_path / "empty"
    folder.mkdir()
    migrate("notify_svc", f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db")
    return folder


@pytest.fixture(autouse=True)
def guardians(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, guardian in enumerate(GUARDIANS):
        monkeypatch.setitem(EMAILS, guardian, f"guardian-{number}@example.com")
        monkeypatch.setitem(ZONES, guardian, "Europe/Berlin")


def outcomes(folder: Path, server: SmtpServer) -> list[tuple[str, int]]:
    """Return status and number of mails of each message, and empty the server. The message to a dependant is left out: nobody gets it."""
    mails = Counter(str(mail["Message-ID"]).strip("<>").split("@")[0] for mail in server.messages)
    server.messages.clear()
    messages = asyncio.run(stored_messages(folder))
    assert set(mails) <= {str(message.id) for message in messages}
    return [(message.status, mails[str(message.id)]) for message in messages if message.problem != "sent_to_guardians"]


@pytest.mark.parametrize("begin", [a_booking_with_reminder, a_booking_of_a_dependant_with_reminders])
def test_a_kill_between_any_two_steps_loses_no_message_and_sends_none_twice(
    empty_database: Path, server: KillingServer, begin: Callable[[], Scenario]
) -> None:
    """A message whose delivery had begun is `unknown` and was sent at most once; every other one is sent once."""
    seen, scenario = Counter[tuple[str, int]](), begin()
    for fatal, folder in kill_at_each_step(empty_database, partial(run_scenario, scenario, server.port), MAX_STEPS):
        asyncio.run(recover(scenario, folder, server.port))
        ended = outcomes(folder, server)
        assert len(ended) == scenario.messages, f"step {fatal}"
        assert set(ended) <= {(MessageStatus.SENT, 1), (MessageStatus.UNKNOWN, 0), (MessageStatus.UNKNOWN, 1)}, f"step {fatal}: {ended}"
        seen.update(ended)
    assert fatal > 2 + 3 * scenario.messages, "an event and a plan; each message is taken and delivered, and its result is stored"
    assert seen[MessageStatus.SENT, 1] >= seen.total() / 2, "few messages become unknown"
    assert seen[MessageStatus.UNKNOWN, 1] > 0


def test_a_kill_before_the_reply_to_the_content_leaves_the_message_unknown(empty_database: Path, server: KillingServer) -> None:
    def remember(pid: int) -> None:
        server.victim = pid

    scenario = a_booking()
    assert run_in_child(lambda: run_scenario(scenario, server.port, empty_database, FatalStep(0)), remember) == signal.SIGKILL
    asyncio.run(recover(scenario, empty_database, server.port))
    ended = outcomes(empty_database, server)
    assert (MessageStatus.UNKNOWN, 1) in ended
    assert set(ended) <= {(MessageStatus.SENT, 1), (MessageStatus.UNKNOWN, 0), (MessageStatus.UNKNOWN, 1)}
