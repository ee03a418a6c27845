"""Each mail once, whatever fails between the event and the mail server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from notify_svc.clients.files import FileMailbox
from notify_svc.domain.messages import Kind, Message, Reader, Status
from notify_svc.ports import Ambiguous, Deferred, Refused
from notify_svc.repository import SqlStore
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.contract.mailservers import a_server_that
from tests.platform.houses import SmtpServer
from tests.running import NOON, RunningService, run_service
from tests.service.notify.post import Neighbours, Recorder, messages, statuses
from tests.unit.notify.test_letters import IDS, an_event

LATER = NOON + timedelta(minutes=5)


async def passes(here: RunningService, time: timedelta, steps: int = 1) -> None:
    for _ in range(steps):
        here.clock.advance(time / steps)
        await here.run_until_idle()


@pytest.mark.parametrize("away", ["/internal", "/internal/accounts", "/internal/patients", "/internal/doctors"])
async def test_nothing_is_lost_while_a_neighbour_is_away(
    notify: RunningService, mailbox: Recorder, neighbours: Neighbours, away: str
) -> None:
    neighbours.down.add(away)
    await notify.publish_event(an_event())
    assert mailbox.mails == []
    neighbours.down.clear()
    await passes(notify, timedelta(minutes=1))
    assert sorted(mailbox.told().values()) == [1, 1]


async def test_what_may_have_arrived_is_never_sent_again(notify: RunningService, mailbox: Recorder, tmp_path: Path) -> None:
    mailbox.raises = [Ambiguous("connection lost")]
    await notify.publish_event(an_event())
    await passes(notify, timedelta(days=1), steps=3)
    assert await statuses(tmp_path) == [Status.SENT, Status.UNKNOWN]
    assert len(mailbox.mails) == 1


async def test_what_the_server_put_off_is_sent_later_and_once(notify: RunningService, mailbox: Recorder) -> None:
    mailbox.raises = [Deferred("later"), Deferred("later")]
    await notify.publish_event(an_event())
    assert mailbox.mails == []
    await passes(notify, timedelta(minutes=15), steps=3)
    assert sorted(mailbox.told().values()) == [1, 1]


async def test_what_the_server_refuses_is_not_tried_again(notify: RunningService, mailbox: Recorder, tmp_path: Path) -> None:
    mailbox.raises = [Refused("550 5.1.1")]
    await notify.publish_event(an_event())
    await passes(notify, timedelta(days=1), steps=3)
    assert await statuses(tmp_path) == [Status.FAILED, Status.SENT]


async def test_a_fault_of_ours_keeps_nobody_elses_mail(notify: RunningService, mailbox: Recorder, tmp_path: Path) -> None:
    mailbox.raises = [KeyError("a bug")]
    await notify.publish_event(an_event())
    await passes(notify, timedelta(minutes=1))
    assert await statuses(tmp_path) == [Status.SENT, Status.UNKNOWN]
    assert [message.problem for message in await messages(tmp_path)].count("KeyError") == 1


class Hanging(Recorder):
    """Takes a mail and does not answer until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.answers = asyncio.Event(), asyncio.Event()

    async def deliver(self, mail: EmailMessage) -> None:
        self.begun.set()
        await self.answers.wait()
        await super().deliver(mail)


async def test_a_service_that_ends_brings_the_mail_in_its_hand_to_an_end(tmp_path: Path, neighbours: Neighbours) -> None:
    mailbox = Hanging()
    async with run_service("notify_svc", tmp_path, neighbours, mailbox=mailbox, mail_url="file:unused") as here:
        telling = asyncio.create_task(here.publish_event(an_event()))
        await mailbox.begun.wait()
        telling.cancel()
        asyncio.get_running_loop().call_soon(mailbox.answers.set)
    assert len(mailbox.mails) == 1
    assert await statuses(tmp_path) == [Status.QUEUED, Status.SENT]


class SlowAfterLater(Recorder):
    """Puts off four mails; of those that come then it keeps the first waiting until two others were taken."""

    def __init__(self) -> None:
        super().__init__()
        self.raises = [Deferred("later") for _ in range(4)]
        self.is_first, self.two_came = True, asyncio.Event()

    async def deliver(self, mail: EmailMessage) -> None:
        if self.is_first and not self.raises:
            self.is_first = False
            async with asyncio.timeout(5):
                await self.two_came.wait()
        await super().deliver(mail)
        if len(self.mails) == 2:
            self.two_came.set()


async def test_one_slow_conversation_holds_up_no_other_appointment(tmp_path: Path, neighbours: Neighbours) -> None:
    mailbox = SlowAfterLater()
    async with run_service("notify_svc", tmp_path, neighbours, mailbox=mailbox, mail_url="file:unused") as here:
        for appointment_id in IDS[:2]:
            await here.publish_event(an_event(id=new_id(), appointment_id=appointment_id))
        assert mailbox.mails == []
        await passes(here, timedelta(minutes=1))
    assert sorted(mailbox.told().values()) == [2, 2]


async def a_life_that_ended(folder: Path, *steps: Callable[[Message], Message]) -> None:
    """What a killed sender left behind: both messages of an event on paper, taken as far as `steps`."""
    url = f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db"
    migrate("notify_svc", url)
    async with Database(url) as database:
        store = SqlStore(database, lambda: NOON, queued=lambda: None)
        for reader, recipient in ((Reader.PATIENT, IDS[4]), (Reader.DOCTOR, IDS[3])):
            message = Message.of(an_event(), Kind.BOOKED, reader, recipient, NOON)
            async with store.begin() as tx:
                await tx.queue(message)
            for step in steps:
                async with store.begin() as tx:
                    assert await tx.save(step(message), message)
                message = step(message)


def taken(message: Message) -> Message:
    return message.taken("a dead one", NOON)


@pytest.mark.parametrize(
    ("steps", "repeatable", "outcome"),
    [
        ((), False, Status.SENT),
        ((taken,), False, Status.SENT),
        ((taken, Message.handing_over), True, Status.SENT),
        ((taken, Message.handing_over), False, Status.UNKNOWN),
    ],
)
async def test_what_a_killed_sender_left_is_sent_unless_it_may_have_arrived(
    tmp_path: Path, neighbours: Neighbours, steps: tuple[Any, ...], repeatable: bool, outcome: Status
) -> None:
    await a_life_that_ended(tmp_path, *steps)
    mailbox = Recorder(repeatable)
    async with run_service("notify_svc", tmp_path, neighbours, now=LATER, mailbox=mailbox, mail_url="file:unused") as here:
        await passes(here, timedelta(minutes=5), steps=3)
    assert await statuses(tmp_path) == [outcome, outcome]
    assert len(mailbox.mails) == (2 if outcome is Status.SENT else 0)


async def test_a_mail_that_lay_in_the_folder_before_the_kill_is_one_after_it(tmp_path: Path, neighbours: Neighbours) -> None:
    url = f"file:{tmp_path / 'mail'}"
    async with run_service("notify_svc", tmp_path, neighbours, mail_url=url) as here:
        await here.publish_event(an_event())
    before = {mail["message_id"] for mail in FileMailbox(tmp_path / "mail").messages()}
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db") as database:
        store = SqlStore(database, lambda: NOON, queued=lambda: None)
        for reader, recipient in ((Reader.PATIENT, IDS[4]), (Reader.DOCTOR, IDS[3])):
            sent = taken(Message.of(an_event(), Kind.BOOKED, reader, recipient, NOON)).handing_over().sent(NOON)
            async with store.begin() as tx:
                assert await tx.save(taken(sent).handing_over(), sent)
    async with run_service("notify_svc", tmp_path, neighbours, now=LATER, mail_url=url) as here:
        await passes(here, timedelta(minutes=5), steps=3)
    assert {mail["message_id"] for mail in FileMailbox(tmp_path / "mail").messages()} == before
    assert len(before) == 2


async def test_a_real_server_that_was_away_gets_each_mail_once(tmp_path: Path, neighbours: Neighbours) -> None:
    server = SmtpServer()
    async with run_service("notify_svc", tmp_path, neighbours, mail_url=f"smtp://127.0.0.1:{server.port}") as here:
        await here.publish_event(an_event())
        assert await statuses(tmp_path) == [Status.QUEUED, Status.QUEUED]
        server.start()
        try:
            await passes(here, timedelta(minutes=5), steps=3)
        finally:
            server.stop()
    assert Counter(str(mail["To"].addresses[0].addr_spec) for mail in server.messages) == {"mina@example.com": 1, "ada@example.com": 1}
    assert all(mail["Auto-Submitted"] == "auto-generated" for mail in server.messages)


async def test_a_server_that_falls_silent_after_the_content_is_given_it_once(tmp_path: Path, neighbours: Neighbours) -> None:
    async with a_server_that("away after data") as server:
        async with run_service("notify_svc", tmp_path, neighbours, mail_url=f"smtp://127.0.0.1:{server.port}") as here:
            await here.publish_event(an_event())
            await passes(here, timedelta(days=2), steps=4)
        assert server.contents == 2
    assert await statuses(tmp_path) == [Status.UNKNOWN, Status.UNKNOWN]


async def test_two_instances_never_send_one_mail_twice(sql_url: str, tmp_path: Path, neighbours: Neighbours) -> None:
    mailbox = Recorder()
    migrate("notify_svc", sql_url)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    more: dict[str, Any] = {"database_url": sql_url, "mailbox": mailbox, "mail_url": "file:unused", "migrated": False}
    async with (
        run_service("notify_svc", tmp_path / "one", neighbours, **more) as one,
        run_service("notify_svc", tmp_path / "two", neighbours, **more) as two,
    ):
        events = [an_event(id=new_id(), appointment_id=new_id()) for _ in range(10)]
        await asyncio.gather(*(here.publish_event(event) for event in events for here in (one, two)))
        for here in (one, two):
            here.clock.advance(timedelta(minutes=1))
        await asyncio.gather(one.run_until_idle(), two.run_until_idle())
    assert len(mailbox.mails) == 20
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 20


async def test_of_many_that_reach_for_one_message_one_gets_it(sql_url: str) -> None:
    """Without a lease: a sender that stalled for longer than its lease meets its successor."""
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database, Database(sql_url) as again:
        stores = [SqlStore(each, lambda: NOON, queued=lambda: None) for each in (database, again)]
        message = Message.of(an_event(), Kind.BOOKED, Reader.PATIENT, IDS[4], NOON)
        async with stores[0].begin() as tx:
            await tx.is_newest(IDS[1], 2)
            await tx.queue(message)

        async def reach(number: int) -> bool:
            async with stores[number % 2].begin() as tx:
                wanted = message.in_turn(await tx.others(message), str(number), NOON)
                return wanted is not None and await tx.save(wanted, message)

        assert sum(await asyncio.gather(*(reach(number) for number in range(20)))) == 1


async def test_a_cancellation_waits_while_a_confirmation_is_in_someones_hand(
    notify: RunningService, mailbox: Recorder, tmp_path: Path
) -> None:
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db") as database:
        store = SqlStore(database, lambda: NOON, queued=lambda: None)
        booked = Message.of(an_event(), Kind.BOOKED, Reader.PATIENT, IDS[4], NOON)
        async with store.begin() as tx:
            await tx.queue(booked)
            assert await tx.save(taken(booked), booked)
        await notify.publish_event(an_event("appointment.cancelled.v1", version=3, id=new_id()))
        assert set(mailbox.told()) == {("ada@example.com", "Appointment cancelled")}
        async with store.begin() as tx:
            assert await tx.save(taken(booked).sent(NOON), taken(booked))
    await passes(notify, timedelta(seconds=2))
    assert ("mina@example.com", "Appointment cancelled") in mailbox.told()
