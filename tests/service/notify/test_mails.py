"""Events in, mails out: each recipient once per event, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from notify_svc.domain.messages import Status
from notify_svc.ports import Ambiguous, Deferred
from notify_svc.repository import MESSAGES
from shared.contracts.events import AccountInvited, PasswordChanged
from shared.kit.ids import new_id
from shared.kit.migrating import migrate
from shared.kit.sql import Database
from tests.running import NOON, Running, not_found, running
from tests.unit.notify.test_letters import IDS, an_event

PATIENT, DOCTOR = str(IDS[4]), str(IDS[3])
EMAILS = {PATIENT: "mina@example.com", DOCTOR: "ada@example.com"}


class Recorder:
    """A mailbox in memory that does as it is told."""

    def __init__(self, repeatable: bool = False) -> None:
        self.repeatable, self.mails, self.raises = repeatable, list[EmailMessage](), list[BaseException]()

    async def deliver(self, mail: EmailMessage) -> None:
        if self.raises:
            raise self.raises.pop(0)
        self.mails.append(mail)

    def told(self) -> Counter[tuple[str, str]]:
        return Counter((str(mail["To"].addresses[0].addr_spec), str(mail["Subject"]).split(" - ")[0]) for mail in self.mails)


class Neighbours:
    """auth-, patient- and doctor-service."""

    def __init__(self) -> None:
        self.down, self.gone = False, set[str]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("away")
        one = request.url.path.rsplit("/", 1)[-1]
        if one in self.gone:
            return not_found()
        return httpx.Response(200, json=self._answer(request.url.path, one))

    def _answer(self, path: str, one: str) -> dict[str, Any]:
        if path.endswith("/token"):
            return {"token": "t0ken", "expires_at": "2026-03-09T12:00:00Z"}
        person = {"id": one, "full_name": "Some One", "time_zone": "Europe/Berlin", "locale": "en", "version": 1}
        account = {
            "email": EMAILS.get(one, "other@example.com"),
            "role": "patient",
            "status": "active",
            "created_at": "2026-01-01T00:00:00Z",
        }
        return person | account


@pytest.fixture
def mailbox() -> Recorder:
    return Recorder()


@pytest.fixture
def neighbours() -> Neighbours:
    return Neighbours()


@pytest.fixture
async def notify(tmp_path: Path, mailbox: Recorder, neighbours: Neighbours) -> AsyncIterator[Running]:
    async with running("notify_svc", tmp_path, neighbours, mailbox=mailbox, mail_url="file:unused") as here:
        yield here


async def statuses(here: Running, tmp_path: Path) -> list[str]:
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db") as database, database.read() as connection:
        return sorted(await connection.scalars(select(MESSAGES.c.status)))


async def test_patient_and_doctor_get_one_mail_each(notify: Running, mailbox: Recorder) -> None:
    await notify.tell(an_event())
    assert mailbox.told() == {("mina@example.com", "Appointment confirmed"): 1, ("ada@example.com", "New appointment"): 1}


async def test_the_same_event_twice_is_told_once(notify: Running, mailbox: Recorder) -> None:
    await notify.tell(an_event())
    await notify.tell(an_event())
    assert len(mailbox.mails) == 2


async def test_a_late_booked_after_cancelled_sends_nothing(notify: Running, mailbox: Recorder) -> None:
    await notify.tell(an_event("appointment.cancelled.v1", version=3, id=new_id()))
    await notify.tell(an_event("appointment.booked.v1", version=2, id=new_id()))
    assert set(mailbox.told()) == {("mina@example.com", "Appointment cancelled"), ("ada@example.com", "Appointment cancelled")}


async def test_a_check_in_is_known_and_not_told(notify: Running, mailbox: Recorder) -> None:
    await notify.tell(an_event("appointment.checked_in.v1", version=4, id=new_id()))
    await notify.tell(an_event("appointment.rescheduled.v1", version=3, id=new_id()))
    assert mailbox.mails == []


async def test_nothing_is_lost_while_the_neighbours_are_away(notify: Running, mailbox: Recorder, neighbours: Neighbours) -> None:
    neighbours.down = True
    await notify.tell(an_event())
    assert mailbox.mails == []
    neighbours.down = False
    notify.clock.forward(timedelta(minutes=1))
    await notify.settle()
    assert len(mailbox.mails) == 2


async def test_a_person_without_an_account_cannot_be_reached(
    notify: Running, mailbox: Recorder, neighbours: Neighbours, tmp_path: Path
) -> None:
    neighbours.gone.add(PATIENT)
    await notify.tell(an_event())
    assert await statuses(notify, tmp_path) == ["failed", "failed"]
    assert mailbox.mails == []


async def test_what_may_have_arrived_is_never_sent_again(notify: Running, mailbox: Recorder, tmp_path: Path) -> None:
    mailbox.raises = [Ambiguous("connection lost")]
    await notify.tell(an_event())
    notify.clock.forward(timedelta(days=1))
    await notify.settle()
    assert await statuses(notify, tmp_path) == [Status.SENT, Status.UNKNOWN]
    assert len(mailbox.mails) == 1


async def test_what_the_server_put_off_is_sent_later_and_once(notify: Running, mailbox: Recorder) -> None:
    mailbox.raises = [Deferred("later"), Deferred("later")]
    await notify.tell(an_event())
    assert mailbox.mails == []
    for _ in range(3):
        notify.clock.forward(timedelta(minutes=5))
        await notify.settle()
    assert sorted(mailbox.told().values()) == [1, 1]


async def test_an_older_message_is_skipped_when_a_newer_one_went_out(notify: Running, mailbox: Recorder, tmp_path: Path) -> None:
    mailbox.raises = [Deferred("later"), Deferred("later")]
    await notify.tell(an_event(id=new_id()))
    await notify.tell(an_event("appointment.cancelled.v1", version=3, id=new_id()))
    notify.clock.forward(timedelta(hours=1))
    await notify.settle()
    assert {subject for _, subject in mailbox.told()} == {"Appointment cancelled"}
    assert await statuses(notify, tmp_path) == ["sent", "sent", "skipped", "skipped"]


async def test_an_invited_person_gets_the_link_and_an_owner_hears_of_a_new_password(notify: Running, mailbox: Recorder) -> None:
    await notify.tell(AccountInvited(id=new_id(), occurred_at=NOON, account_id=IDS[4], reset_id=new_id(), expires_at=NOON))
    await notify.tell(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=IDS[4]))
    assert mailbox.told() == {("mina@example.com", "Your account"): 1, ("mina@example.com", "Your password was changed"): 1}
    body = mailbox.mails[0].get_body(("plain",))
    assert body is not None
    assert "t0ken" in body.get_content()


@pytest.mark.parametrize(("repeatable", "outcome"), [(True, 2), (False, 1)])
async def test_a_sender_that_dies_while_handing_over(tmp_path: Path, neighbours: Neighbours, repeatable: bool, outcome: int) -> None:
    mailbox = Recorder(repeatable)
    mailbox.raises = [SystemError("killed")]
    async with running("notify_svc", tmp_path, neighbours, mailbox=mailbox, mail_url="file:unused") as here:
        await here.tell(an_event())
        here.clock.forward(timedelta(minutes=5))
        await here.settle()
        assert len(mailbox.mails) == outcome


async def test_two_instances_never_send_one_mail_twice(sql_url: str, tmp_path: Path, neighbours: Neighbours) -> None:
    mailbox = Recorder()
    migrate("notify_svc", sql_url)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    more: dict[str, Any] = {"database_url": sql_url, "mailbox": mailbox, "mail_url": "file:unused", "migrated": False}
    async with (
        running("notify_svc", tmp_path / "one", neighbours, **more) as one,
        running("notify_svc", tmp_path / "two", neighbours, **more) as two,
    ):
        events = [an_event(id=new_id(), appointment_id=new_id()) for _ in range(10)]
        await asyncio.gather(*(here.tell(event) for event in events for here in (one, two)))
        for here in (one, two):
            here.clock.forward(timedelta(minutes=1))
        await asyncio.gather(one.settle(), two.settle())
    assert len(mailbox.mails) == 20
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 20
