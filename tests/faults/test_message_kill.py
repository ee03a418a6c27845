"""notification-service is killed with SIGKILL between every two steps of the life of its messages: none is lost, none is sent twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.domain.messages import MessageStatus
from notify_svc.ports import RenderedMail
from shared.kit.migrations import migrate
from tests.platform.houses import SmtpServer
from tests.running import NOON, run_service
from tests.service.notify.fake_services import FakeContactServices, stored_messages
from tests.unit.notify.builders import an_event

MAX_STEPS = 60


class FatalStep:
    """Counts the steps since it was armed, and kills this process at the `fatal` one.

    The steps are the commits of the writing connection, and the moments before and after each delivery. A kill before a commit also stands
    for one at any moment since the step before, because nothing of it was stored.
    """

    def __init__(self, fatal: int) -> None:
        self.fatal, self.count, self.is_armed = fatal, 0, False

    def commit(self, connection: Connection) -> None:
        """Count the commit of the only connection that writes."""
        if connection.engine.pool.size() == 1:  # type: ignore[attr-defined]
            self()

    def __call__(self) -> None:
        self.count += self.is_armed
        if self.is_armed and self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


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


async def handle_event(folder: Path, port: int, step: FatalStep) -> None:
    """Run the service, deliver the event of a booking to it, and count the steps until nothing is left to do."""
    event.listen(Engine, "commit", step.commit)
    async with MortalMailbox(f"smtp://127.0.0.1:{port}", step) as mailbox:
        options: dict[str, Any] = {"mailbox": mailbox, "mail_url": "file:unused", "migrated": False}
        async with run_service("notify_svc", folder, FakeContactServices(), **options) as service:
            step.is_armed = True
            await service.publish_event(an_event())
            step.is_armed = False


async def recover(folder: Path, port: int) -> None:
    """Run the service again, some minutes later, until nothing is left to do."""
    url, later = f"smtp://127.0.0.1:{port}", NOON + timedelta(minutes=5)
    async with run_service("notify_svc", folder, FakeContactServices(), now=later, mail_url=url, migrated=False) as service:
        for _ in range(3):
            service.clock.advance(timedelta(minutes=5))
            await service.run_until_idle()


def run_in_child(work: Callable[[], Coroutine[Any, Any, None]], started: Callable[[int], None] = lambda _: None) -> int:
    """Run `work` in a forked process; return the signal that ended it, or 0. Raises AssertionError when it failed otherwise."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            asyncio.run(work())
            code = 0
        finally:
            os._exit(code)
    started(pid)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


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


def outcomes(folder: Path, server: SmtpServer) -> list[tuple[str, int]]:
    """Return status and number of mails of each of the two messages, and empty the server."""
    mails = Counter(str(mail["Message-ID"]).strip("<>").split("@")[0] for mail in server.messages)
    server.messages.clear()
    messages = asyncio.run(stored_messages(folder))
    assert set(mails) <= {str(message.id) for message in messages}
    return [(message.status, mails[str(message.id)]) for message in messages]


def test_a_kill_between_any_two_steps_loses_no_message_and_sends_none_twice(empty_database: Path, server: KillingServer) -> None:
    """A message whose delivery had begun is `unknown` and was sent at most once; every other one is sent once."""
    seen = Counter[tuple[str, int]]()
    for fatal in range(1, MAX_STEPS):
        folder = empty_database.parent / str(fatal)
        shutil.copytree(empty_database, folder)
        step = FatalStep(fatal)
        killed_by = run_in_child(lambda folder=folder, step=step: handle_event(folder, server.port, step))  # type: ignore[misc]
        asyncio.run(recover(folder, server.port))
        ended = outcomes(folder, server)
        assert len(ended) == 2, f"step {fatal}"
        assert set(ended) <= {(MessageStatus.SENT, 1), (MessageStatus.UNKNOWN, 0), (MessageStatus.UNKNOWN, 1)}, f"step {fatal}: {ended}"
        seen.update(ended)
        if not killed_by:
            break
    assert not killed_by, "there are more steps than MAX_STEPS"
    assert fatal > 8, "an event, two messages that are taken, two deliveries, their results"
    assert seen[MessageStatus.SENT, 1] >= seen.total() / 2, "few messages become unknown"
    assert seen[MessageStatus.UNKNOWN, 1] > 0


def test_a_kill_before_the_reply_to_the_content_leaves_the_message_unknown(empty_database: Path, server: KillingServer) -> None:
    def remember(pid: int) -> None:
        server.victim = pid

    assert run_in_child(lambda: handle_event(empty_database, server.port, FatalStep(0)), remember) == signal.SIGKILL
    asyncio.run(recover(empty_database, server.port))
    ended = outcomes(empty_database, server)
    assert (MessageStatus.UNKNOWN, 1) in ended
    assert set(ended) <= {(MessageStatus.SENT, 1), (MessageStatus.UNKNOWN, 0), (MessageStatus.UNKNOWN, 1)}
