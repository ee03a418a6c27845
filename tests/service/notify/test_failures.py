"""A mail that is not sent is in the log and in the metrics, without names and addresses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports import DeliveryUnknown, MailDeferred, MailRefused, MailUnsupported
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.tables import MESSAGES
from shared.contracts.events import PasswordChanged, PasswordResetRequested
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from shared.kit.logs import log
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox, stored_messages
from tests.unit.notify.builders import ADMIN, PATIENT, an_event, message_for


class NotSentLog(logging.Handler):
    """Keeps level and facts of the log lines about mails that were not sent."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "mail_not_sent":
            self.lines.append({"level": record.levelname, **record.__dict__["facts"]})

    @property
    def outcomes(self) -> list[tuple[str, str, str]]:
        """Level, reason and status of each line."""
        return [(line["level"], line["reason"], line["status"]) for line in self.lines]


@pytest.fixture
def not_sent_log() -> Iterator[NotSentLog]:
    handler, level = NotSentLog(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


async def count_of(service: RunningService, reason: str) -> float:
    lines = (await service.http.get("/metrics")).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f'mails_not_sent_total{{reason="{reason}"}}'))


async def store_message(folder: Path, message: Message) -> None:
    url = f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db"
    migrate("notify_svc", url)
    async with Database(url) as database, SqlNotificationStore(database, lambda: NOON).begin() as tx:
        await tx.insert_message(message)


async def advance_days(service: RunningService, days: int) -> None:
    for _ in range(days * 48):
        service.clock.advance(timedelta(minutes=30))
        await service.run_until_idle()


async def test_a_mail_that_cannot_be_rendered_is_an_error_and_fails_at_once(
    tmp_path: Path, services: FakeContactServices, not_sent_log: NotSentLog
) -> None:
    whole = message_for(an_event(), MessageKind.BOOKED, Audience.PATIENT)
    await store_message(tmp_path, replace(whole, facts={name: fact for name, fact in whole.facts.items() if name != "starts_at"}))
    async with run_service("notify_svc", tmp_path, services, mailbox=MemoryMailbox(), mail_url="file:unused") as service:
        await service.run_until_idle()
        assert not_sent_log.outcomes == [("ERROR", "not_rendered", "failed")]
        assert (not_sent_log.lines[0]["problem"], not_sent_log.lines[0]["kind"]) == ("not_rendered KeyError", "booked")
        assert any(place.startswith("email_renderer.py:") for place in not_sent_log.lines[0]["at"])
        await advance_days(service, 1)
        assert await count_of(service, "not_rendered") == len(not_sent_log.lines) == 1


async def test_an_address_that_no_mail_can_carry_is_an_error_that_does_not_name_it(
    notify: RunningService, services: FakeContactServices, not_sent_log: NotSentLog
) -> None:
    services.changes[str(PATIENT)] = {"email": "mina@example.com, everyone@example.com"}
    await notify.publish_event(an_event())
    assert not_sent_log.outcomes == [("ERROR", "invalid_address", "failed")]
    assert "example.com" not in repr(not_sent_log.lines)
    assert await count_of(notify, "invalid_address") == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (MailRefused("550 5.1.1"), ("WARNING", "refused", "failed")),
        (MailUnsupported("smtputf8_not_supported"), ("ERROR", "unsupported", "failed")),
        (DeliveryUnknown("SMTPServerDisconnected"), ("WARNING", "unknown", "unknown")),
        (KeyError("mina@example.com"), ("ERROR", "unexpected", "unknown")),
    ],
)
async def test_a_failed_delivery_is_logged_and_counted_by_its_reason(
    error: Exception, outcome: tuple[str, str, str], notify: RunningService, mailbox: MemoryMailbox, not_sent_log: NotSentLog
) -> None:
    mailbox.errors = [error]
    await notify.publish_event(an_event())
    assert not_sent_log.outcomes == [outcome]
    assert "mina" not in repr(not_sent_log.lines)
    assert await count_of(notify, outcome[1]) == 1
    assert len(mailbox.mails) == 1


async def test_a_deferred_mail_is_reported_when_it_is_given_up_and_not_before(
    notify: RunningService, mailbox: MemoryMailbox, not_sent_log: NotSentLog
) -> None:
    mailbox.errors = [MailDeferred("451") for _ in range(100)]
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    assert not_sent_log.lines == []
    await advance_days(notify, 2)
    assert not_sent_log.outcomes == [("ERROR", "gave_up", "failed")]


async def test_a_patient_without_an_account_is_no_fault(
    notify: RunningService, services: FakeContactServices, not_sent_log: NotSentLog, tmp_path: Path
) -> None:
    services.missing.add((Service.AUTH, str(PATIENT)))
    await notify.publish_event(an_event())
    assert not_sent_log.outcomes == [("INFO", "no_recipient", "skipped")]
    assert await count_of(notify, "no_recipient") == 1
    assert sorted(message.status for message in await stored_messages(tmp_path)) == ["sent", "skipped"]


async def test_messages_of_an_unknown_kind_do_not_keep_others_from_being_sent(
    tmp_path: Path, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    """More than are sent at once come first, and one was being sent when its sender, a newer release, ended."""
    unreadable = [message_for(an_event(id=new_id(), version=1), MessageKind.BOOKED, Audience.PATIENT) for _ in range(20)]
    for message in unreadable:
        await store_message(tmp_path, message)
    url = f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db"
    async with Database(url) as database, database.write() as connection:
        await connection.execute(update(MESSAGES).values(kind="teleported"))
        await connection.execute(
            update(MESSAGES).where(MESSAGES.c.id == unreadable[0].id).values(status="sending", holder="x", taken_at=NOON)
        )
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused") as notify:
        await notify.publish_event(an_event())
        assert sorted(mailbox.count_mails().values()) == [1, 1]
        assert await count_of(notify, "unreadable") == 19
        notify.clock.advance(timedelta(minutes=1))
        await notify.run_until_idle()
        assert await count_of(notify, "unreadable") == 19, "not tried again in every run"
    async with Database(url) as database, database.read() as connection:
        rows = (await connection.execute(select(MESSAGES.c.status).where(MESSAGES.c.kind == "teleported"))).scalars()
        assert sorted(rows) == ["queued"] * 19 + ["sending"]


UNREADABLE_PATIENTS: list[dict[str, Any]] = [{"version": None}, {"full_name": None}, {"guardian_ids": ["x"]}]


@pytest.mark.parametrize("unreadable", UNREADABLE_PATIENTS)
async def test_a_contact_that_cannot_be_read_delays_its_own_mails_and_no_others(
    unreadable: dict[str, Any], notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox, not_sent_log: NotSentLog
) -> None:
    services.profiles[str(PATIENT)] = unreadable
    for patient_id in (PATIENT, ADMIN):
        await notify.publish_event(an_event(id=new_id(), appointment_id=new_id(), patient_id=patient_id))
    notify.clock.advance(timedelta(minutes=1))
    await notify.run_until_idle()
    assert mailbox.count_mails() == {("admin@example.com", "Appointment confirmed"): 1, ("ada@example.com", "New appointment"): 1}
    services.profiles.clear()
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert len(mailbox.mails) == 4
    assert not_sent_log.lines == []


async def test_a_contact_that_cannot_be_read_delays_no_reminder_of_others(
    notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    services.profiles[str(PATIENT)] = {"version": None}
    events = [an_event(id=new_id(), appointment_id=new_id(), patient_id=patient_id) for patient_id in (PATIENT, ADMIN)]
    services.answers[Service.PATIENT] = None
    for event in events:
        await notify.publish_event(event)
    services.answers.clear()
    for wait in (timedelta(minutes=5), timedelta(minutes=5), events[0].starts_at - NOON - timedelta(minutes=60)):
        notify.clock.advance(wait)
        await notify.run_until_idle()
    assert mailbox.count_mails()["admin@example.com", "Reminder of your appointment"] == 1


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"items": None}, {"items": ["x"]}, {"items": [{"id": "x"}]}, {"doctors": [], "services": []}]
)
async def test_an_answer_that_is_no_list_of_contacts_counts_as_none(
    answer: Any, notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    services.answers[Service.AUTH] = answer
    await notify.publish_event(an_event())
    assert mailbox.mails == []
    services.answers.clear()
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert len(mailbox.mails) == 2


async def test_a_link_that_cannot_be_read_is_asked_for_again(
    notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    readable, services.token_response = services.token_response, httpx.Response(200, json={"token": "t0ken"})
    await notify.publish_event(
        PasswordResetRequested(id=new_id(), occurred_at=NOON, account_id=PATIENT, reset_id=new_id(), expires_at=NOON + timedelta(days=1))
    )
    assert mailbox.mails == []
    services.token_response = readable
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert len(mailbox.mails) == 1


async def test_an_error_while_the_content_of_a_mail_is_collected_fails_this_mail_alone(
    tmp_path: Path, services: FakeContactServices, mailbox: MemoryMailbox, not_sent_log: NotSentLog
) -> None:
    whole = message_for(an_event(), MessageKind.BOOKED, Audience.PATIENT)
    await store_message(tmp_path, replace(whole, facts={name: fact for name, fact in whole.facts.items() if name != "doctor_id"}))
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused") as service:
        await service.publish_event(an_event(id=new_id(), appointment_id=new_id()))
        assert not_sent_log.outcomes == [("ERROR", "not_rendered", "failed")]
        assert not_sent_log.lines[0]["problem"] == "not_rendered KeyError"
        assert any(place.startswith("compose.py:") for place in not_sent_log.lines[0]["at"])
        assert len(mailbox.mails) == 2


async def test_after_an_outage_of_hours_nobody_is_told_of_a_visit_that_has_begun_but_of_a_cancelled_one(
    notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    mailbox.errors = [MailDeferred("421") for _ in range(100)]
    begun = an_event(id=new_id(), appointment_id=new_id(), starts_at=NOON + timedelta(hours=1))
    cancelled = an_event("appointment.cancelled.v1", id=new_id(), starts_at=NOON + timedelta(hours=1), status="cancelled")
    for event in (begun, cancelled):
        await notify.publish_event(event)
    notify.clock.advance(timedelta(hours=2))
    await notify.run_until_idle()
    mailbox.errors.clear()
    notify.clock.advance(timedelta(hours=2))
    await notify.run_until_idle()
    assert set(mailbox.count_mails()) == {("mina@example.com", "Appointment cancelled"), ("ada@example.com", "Appointment cancelled")}
    messages = await stored_messages(tmp_path)
    outcomes = {(message.kind, message.status, message.problem) for message in messages}
    assert outcomes - {("reminder", "skipped", "too_late")} == {("booked", "skipped", "too_late"), ("cancelled", "sent", None)}
    assert await count_of(notify, "outdated") == sum(message.status == "skipped" for message in messages) >= 2
