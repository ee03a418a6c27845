"""Each mail is sent once, whatever fails between the event and the mail server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notify_svc.clients.files import FileMailbox
from notify_svc.domain.messages import Message, MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports import DeliveryUnknown, MailDeferred, MailRefused, RenderedMail
from notify_svc.repository import SqlNotificationStore
from notify_svc.usecases.visits import record_visit
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.contract.mailservers import unreliable_server
from tests.platform.houses import SmtpServer
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox, stored_messages, stored_statuses
from tests.unit.notify.builders import APPOINTMENT, DOCTOR, EVENT, PATIENT, an_event, message_for

LATER = NOON + timedelta(minutes=5)


@pytest.mark.parametrize("down", [Service.AUTH, Service.PATIENT, Service.DOCTOR])
async def test_no_mail_is_lost_while_another_service_is_down(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, down: Service
) -> None:
    services.unreachable.add(down)
    await notify.publish_event(an_event())
    assert mailbox.mails == []
    services.unreachable.clear()
    await notify.advance(timedelta(minutes=1))
    assert sorted(mailbox.count_mails().values()) == [1, 1]


async def test_a_mail_that_may_have_been_delivered_is_never_sent_again(
    notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    mailbox.errors = [DeliveryUnknown("connection lost")]
    await notify.publish_event(an_event())
    await notify.advance(timedelta(days=1), steps=3)
    assert await stored_statuses(tmp_path) == [MessageStatus.SENT, MessageStatus.UNKNOWN]
    assert len(mailbox.mails) == 1


async def test_a_deferred_mail_is_sent_later_and_once(notify: RunningService, mailbox: MemoryMailbox) -> None:
    mailbox.errors = [MailDeferred("later"), MailDeferred("later")]
    await notify.publish_event(an_event())
    assert mailbox.mails == []
    await notify.advance(timedelta(minutes=15), steps=3)
    assert sorted(mailbox.count_mails().values()) == [1, 1]


async def test_a_refused_mail_is_not_sent_again(notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path) -> None:
    mailbox.errors = [MailRefused("550 5.1.1")]
    await notify.publish_event(an_event())
    await notify.advance(timedelta(days=1), steps=3)
    assert await stored_statuses(tmp_path) == [MessageStatus.FAILED, MessageStatus.SENT]


async def test_an_unexpected_error_does_not_stop_other_mails(notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path) -> None:
    mailbox.errors = [KeyError("a bug")]
    await notify.publish_event(an_event())
    await notify.advance(timedelta(minutes=1))
    assert await stored_statuses(tmp_path) == [MessageStatus.SENT, MessageStatus.UNKNOWN]
    assert [message.problem for message in await stored_messages(tmp_path)].count("unexpected KeyError") == 1


class HangingMailbox(MemoryMailbox):
    """Receives a mail and does not answer until `may_answer` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.may_answer = asyncio.Event(), asyncio.Event()

    async def deliver(self, mail: RenderedMail) -> None:
        self.started.set()
        await self.may_answer.wait()
        await super().deliver(mail)


async def test_a_service_that_stops_finishes_the_mails_that_it_is_sending(tmp_path: Path, services: FakeContactServices) -> None:
    mailbox = HangingMailbox()
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused") as service:
        handling = asyncio.create_task(service.publish_event(an_event()))
        await mailbox.started.wait()
        handling.cancel()
        asyncio.get_running_loop().call_soon(mailbox.may_answer.set)
    assert len(mailbox.mails) == 2
    assert await stored_statuses(tmp_path) == [MessageStatus.SENT, MessageStatus.SENT]


class SlowMailbox(MemoryMailbox):
    """Defers four mails; then it accepts the first one only after two others."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = [MailDeferred("later") for _ in range(4)]
        self.is_first, self.two_accepted = True, asyncio.Event()

    async def deliver(self, mail: RenderedMail) -> None:
        if self.is_first and not self.errors:
            self.is_first = False
            async with asyncio.timeout(5):
                await self.two_accepted.wait()
        await super().deliver(mail)
        if len(self.mails) == 2:
            self.two_accepted.set()


async def test_a_slow_delivery_does_not_delay_other_appointments(tmp_path: Path, services: FakeContactServices) -> None:
    mailbox = SlowMailbox()
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused") as service:
        for appointment_id in (EVENT, APPOINTMENT):
            await service.publish_event(an_event(id=new_id(), appointment_id=appointment_id))
        assert mailbox.mails == []
        await service.advance(timedelta(minutes=1))
    assert sorted(mailbox.count_mails().values()) == [2, 2]


async def leave_messages(folder: Path, *steps: Callable[[Message], Message]) -> None:
    """Store both messages of an event as a killed sender leaves them, after `steps`."""
    url = f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db"
    migrate("notify_svc", url)
    async with Database(url) as database:
        store = SqlNotificationStore(database, lambda: NOON)
        for audience, recipient_id in ((Audience.PATIENT, PATIENT), (Audience.DOCTOR, DOCTOR)):
            message = message_for(an_event(), MessageKind.BOOKED, audience, recipient_id)
            async with store.begin() as tx:
                await tx.insert_message(message)
            for step in steps:
                async with store.begin() as tx:
                    assert await tx.update_message(message, step(message))
                message = step(message)


def start_sending(message: Message) -> Message:
    return message.start_sending("dead instance", NOON)


@pytest.mark.parametrize(
    ("steps", "repeatable", "outcome"),
    [
        ((), False, MessageStatus.SENT),
        ((start_sending,), True, MessageStatus.SENT),
        ((start_sending,), False, MessageStatus.UNKNOWN),
    ],
)
async def test_messages_of_a_killed_sender_are_sent_unless_they_may_have_been_delivered(
    tmp_path: Path, services: FakeContactServices, steps: tuple[Any, ...], repeatable: bool, outcome: MessageStatus
) -> None:
    await leave_messages(tmp_path, *steps)
    mailbox = MemoryMailbox(repeatable)
    async with run_service("notify_svc", tmp_path, services, now=LATER, mailbox=mailbox, mail_url="file:unused") as service:
        await service.advance(timedelta(minutes=5), steps=3)
    assert await stored_statuses(tmp_path) == [outcome, outcome]
    assert len(mailbox.mails) == (2 if outcome is MessageStatus.SENT else 0)


async def test_a_mail_that_was_in_the_folder_before_the_kill_is_not_duplicated(tmp_path: Path, services: FakeContactServices) -> None:
    url = f"file:{tmp_path / 'mail'}"
    async with run_service("notify_svc", tmp_path, services, mail_url=url) as service:
        await service.publish_event(an_event())
    before = {mail["message_id"] for mail in FileMailbox(tmp_path / "mail").messages()}
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db") as database:
        store = SqlNotificationStore(database, lambda: NOON)
        for audience, recipient_id in ((Audience.PATIENT, PATIENT), (Audience.DOCTOR, DOCTOR)):
            sending = start_sending(message_for(an_event(), MessageKind.BOOKED, audience, recipient_id))
            async with store.begin() as tx:
                assert await tx.update_message(sending.mark_sent(NOON), sending)
    async with run_service("notify_svc", tmp_path, services, now=LATER, mail_url=url) as service:
        await service.advance(timedelta(minutes=5), steps=3)
    assert {mail["message_id"] for mail in FileMailbox(tmp_path / "mail").messages()} == before
    assert len(before) == 2


async def test_a_mail_server_that_was_down_gets_each_mail_once(tmp_path: Path, services: FakeContactServices) -> None:
    server = SmtpServer()
    async with run_service("notify_svc", tmp_path, services, mail_url=f"smtp://127.0.0.1:{server.port}") as service:
        await service.publish_event(an_event())
        assert await stored_statuses(tmp_path) == [MessageStatus.QUEUED, MessageStatus.QUEUED]
        server.start()
        try:
            await service.advance(timedelta(minutes=5), steps=3)
        finally:
            server.stop()
    assert Counter(str(mail["To"].addresses[0].addr_spec) for mail in server.messages) == {"mina@example.com": 1, "ada@example.com": 1}
    assert all(mail["Auto-Submitted"] == "auto-generated" for mail in server.messages)


async def test_a_mail_server_that_disconnects_after_the_content_gets_each_mail_once(tmp_path: Path, services: FakeContactServices) -> None:
    async with unreliable_server("disconnect after data") as server:
        async with run_service("notify_svc", tmp_path, services, mail_url=f"smtp://127.0.0.1:{server.port}") as service:
            await service.publish_event(an_event())
            await service.advance(timedelta(days=2), steps=4)
        assert server.received_contents == 2
    assert await stored_statuses(tmp_path) == [MessageStatus.UNKNOWN, MessageStatus.UNKNOWN]


async def test_two_instances_never_send_one_mail_twice(sql_url: str, tmp_path: Path, services: FakeContactServices) -> None:
    mailbox = MemoryMailbox()
    migrate("notify_svc", sql_url)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    more: dict[str, Any] = {"database_url": sql_url, "mailbox": mailbox, "mail_url": "file:unused", "migrated": False}
    async with (
        run_service("notify_svc", tmp_path / "one", services, **more) as first,
        run_service("notify_svc", tmp_path / "two", services, **more) as second,
    ):
        events = [an_event(id=new_id(), appointment_id=new_id()) for _ in range(10)]
        await asyncio.gather(*(service.publish_event(event) for event in events for service in (first, second)))
        for service in (first, second):
            service.clock.advance(timedelta(minutes=1))
        await asyncio.gather(first.run_until_idle(), second.run_until_idle())
    assert len(mailbox.mails) == 20
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 20


async def test_of_many_senders_of_one_message_one_starts_to_send_it(sql_url: str) -> None:
    """Without a lease, as when a sender stalls for longer than its lease and another instance takes over."""
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database, Database(sql_url) as other_database:
        stores = [SqlNotificationStore(connected, lambda: NOON) for connected in (database, other_database)]
        message = message_for(an_event(), MessageKind.BOOKED, Audience.PATIENT)
        async with stores[0].begin() as tx:
            assert await record_visit(tx, an_event(), NOON)
            await tx.insert_message(message)

        async def start(number: int) -> bool:
            async with stores[number % 2].begin() as tx:
                others = [other for other in await tx.lock_messages_about([APPOINTMENT]) if other.id != message.id]
                started = message.start_in_order(others, str(number), NOON)
                return started is not None and await tx.update_message(message, started)

        assert sum(await asyncio.gather(*(start(number) for number in range(20)))) == 1


async def test_a_cancellation_waits_while_the_confirmation_is_being_sent(
    notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db") as database:
        store = SqlNotificationStore(database, lambda: NOON)
        booked = message_for(an_event(), MessageKind.BOOKED, Audience.PATIENT)
        async with store.begin() as tx:
            await tx.insert_message(booked)
            assert await tx.update_message(booked, start_sending(booked))
        await notify.publish_event(an_event("appointment.cancelled.v1", version=3, id=new_id()))
        assert set(mailbox.count_mails()) == {("ada@example.com", "Appointment cancelled")}
        async with store.begin() as tx:
            assert await tx.update_message(start_sending(booked), start_sending(booked).mark_sent(NOON))
    await notify.advance(timedelta(seconds=2))
    assert ("mina@example.com", "Appointment cancelled") in mailbox.count_mails()


async def test_a_newer_message_about_another_appointment_replaces_none_of_the_same_batch(
    notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    other_id = new_id()
    await notify.publish_event(an_event(appointment_id=other_id, version=3, id=new_id()))
    mailbox.errors = [MailDeferred("450")] * 9
    await notify.publish_event(an_event())
    await notify.publish_event(an_event("appointment.cancelled.v1", appointment_id=other_id, version=4, status="cancelled", id=new_id()))
    mailbox.errors = []
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert set(await stored_statuses(tmp_path)) == {"sent"}
