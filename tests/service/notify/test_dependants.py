"""Mails to patients without an account: to their own address, or to the guardians of a dependant."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notify_svc.domain.messages import MessageStatus
from notify_svc.ports import MailDeferred
from shared.contracts.events import AccountChanged, BreakGlassOpened, PatientChanged
from shared.contracts.identity import Role, Service
from shared.kit.ids import new_id
from tests.running import NOON, RunningService
from tests.service.notify.fake_services import DOCTOR, EMAILS, ZONES, FakeContactServices, MemoryMailbox, stored_messages
from tests.tokens import bearer
from tests.unit.notify.builders import PATIENT, an_event

MOTHER, FATHER = "00000000-0000-0000-0000-000000000064", "00000000-0000-0000-0000-000000000065"


@pytest.fixture
def dependant(services: FakeContactServices, monkeypatch: pytest.MonkeyPatch) -> FakeContactServices:
    """The patient is a dependant without an account; the mother reads German in Berlin, the father English in New York."""
    for person_id, email, zone in ((MOTHER, "lena@example.com", "Europe/Berlin"), (FATHER, "paul@example.com", "America/New_York")):
        monkeypatch.setitem(EMAILS, person_id, email)
        monkeypatch.setitem(ZONES, person_id, zone)
    services.changes[MOTHER] = {"locale": "de", "role": "patient"}
    services.missing.add((Service.AUTH, str(PATIENT)))
    services.profiles[str(PATIENT)] = {"guardian_ids": [MOTHER, FATHER]}
    return services


async def statuses(folder: Path) -> list[tuple[str, str, str | None]]:
    """Return recipient, status and problem of the messages to patients and guardians."""
    messages = [message for message in await stored_messages(folder) if message.audience == "patient"]
    return [(str(message.recipient_id), message.status, message.problem) for message in messages]


async def test_each_guardian_of_a_dependant_gets_a_mail_in_their_language_and_zone(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices, tmp_path: Path
) -> None:
    await notify.publish_event(an_event())
    assert mailbox.count_mails() == {
        ("ada@example.com", "New appointment"): 1,
        ("lena@example.com", "Termin bestätigt"): 1,
        ("paul@example.com", "Appointment confirmed"): 1,
    }
    assert "14:00" in mailbox.text_to("lena@example.com")
    assert "09:00" in mailbox.text_to("paul@example.com")
    assert await statuses(tmp_path) == [
        (str(PATIENT), MessageStatus.SKIPPED, "sent_to_guardians"),
        (MOTHER, MessageStatus.SENT, None),
        (FATHER, MessageStatus.SENT, None),
    ]


def an_opened_record() -> BreakGlassOpened:
    people: dict[str, Any] = {"break_glass_id": new_id(), "patient_id": PATIENT, "admin_id": new_id()}
    return BreakGlassOpened(id=new_id(), occurred_at=NOON, expires_at=NOON + timedelta(hours=1), **people)


async def test_each_guardian_of_a_dependant_is_told_that_the_record_was_opened(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices, tmp_path: Path
) -> None:
    event = an_opened_record()
    for _ in range(2):
        await notify.publish_event(event)
    assert sorted(mailbox.count_mails()) == [
        ("lena@example.com", "Eine Patientenakte wurde geöffnet"),
        ("paul@example.com", "A medical record was opened"),
    ]
    assert "13:00 Uhr" in mailbox.text_to("lena@example.com")
    assert "until Monday, 2 March 2026, 08:00" in mailbox.text_to("paul@example.com")
    assert str(event.admin_id) not in mailbox.text_to("paul@example.com")


async def test_a_patient_is_told_of_every_opening_of_the_record(notify: RunningService, mailbox: MemoryMailbox) -> None:
    for _ in range(2):
        await notify.publish_event(an_opened_record())
    assert mailbox.count_mails() == {(EMAILS[str(PATIENT)], "A medical record was opened"): 2}


async def test_a_repeated_event_sends_each_guardian_one_mail(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices
) -> None:
    for _ in range(2):
        await notify.publish_event(an_event())
    assert len(mailbox.mails) == 3


async def test_one_guardian_without_an_address_does_not_take_the_mail_from_the_other(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices, tmp_path: Path
) -> None:
    dependant.missing.add((Service.AUTH, MOTHER))
    await notify.publish_event(an_event())
    assert ("paul@example.com", "Appointment confirmed") in mailbox.count_mails()
    assert (MOTHER, MessageStatus.SKIPPED, "no_address") in await statuses(tmp_path)


async def test_a_guardian_whose_guardianship_has_ended_gets_no_mail_that_waits(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices, tmp_path: Path
) -> None:
    dependant.unreachable.add(Service.AUTH)
    await notify.publish_event(an_event())
    dependant.unreachable.clear()
    mailbox.errors = [MailDeferred("later") for _ in range(3)]
    notify.clock.advance(timedelta(seconds=2))
    await notify.run_until_idle()
    dependant.profiles[str(PATIENT)] = {"guardian_ids": [FATHER]}
    await notify.publish_event(PatientChanged(id=new_id(), occurred_at=NOON, patient_id=PATIENT, version=2))
    notify.clock.advance(timedelta(minutes=1))
    await notify.run_until_idle()
    assert {email for email, _ in mailbox.count_mails()} == {"ada@example.com", "paul@example.com"}
    assert (MOTHER, MessageStatus.SKIPPED, "no_longer_guardian") in await statuses(tmp_path)


async def test_a_guardian_who_has_another_role_now_gets_no_mail_as_guardian(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices, tmp_path: Path
) -> None:
    dependant.profiles[MOTHER] = {"active": False}
    await notify.publish_event(an_event())
    assert {email for email, _ in mailbox.count_mails()} == {"ada@example.com", "paul@example.com"}
    assert (MOTHER, MessageStatus.SKIPPED, "no_longer_guardian") in await statuses(tmp_path)


async def test_a_patient_without_account_gets_the_mail_at_the_address_that_the_clinic_knows(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.missing.add((Service.AUTH, str(PATIENT)))
    services.profiles[str(PATIENT)] = {"email": "walk-in@example.com"}
    await notify.publish_event(an_event())
    assert ("walk-in@example.com", "Appointment confirmed") in mailbox.count_mails()


async def test_the_address_of_the_account_counts_before_the_one_that_the_clinic_knows(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.profiles[str(PATIENT)] = {"email": "walk-in@example.com", "has_account": True}
    await notify.publish_event(an_event())
    assert ("mina@example.com", "Appointment confirmed") in mailbox.count_mails()
    assert len(mailbox.mails) == 2


@pytest.fixture
def minor(dependant: FakeContactServices) -> FakeContactServices:
    """The dependant has an account."""
    dependant.missing.clear()
    dependant.profiles[str(PATIENT)]["has_account"] = True
    return dependant


async def test_a_minor_with_an_account_and_each_guardian_get_a_mail(
    notify: RunningService, mailbox: MemoryMailbox, minor: FakeContactServices
) -> None:
    mailbox.errors = [MailDeferred("later") for _ in range(4)]
    event = an_event()
    for _ in range(2):
        await notify.publish_event(event)
    notify.clock.advance(timedelta(minutes=1))
    await notify.run_until_idle()
    assert mailbox.count_mails() == {
        ("ada@example.com", "New appointment"): 1,
        ("mina@example.com", "Appointment confirmed"): 1,
        ("lena@example.com", "Termin bestätigt"): 1,
        ("paul@example.com", "Appointment confirmed"): 1,
    }


async def test_a_minor_with_an_account_and_each_guardian_are_told_that_the_record_was_opened(
    notify: RunningService, mailbox: MemoryMailbox, minor: FakeContactServices
) -> None:
    await notify.publish_event(an_opened_record())
    assert {email for email, _ in mailbox.count_mails()} == {"mina@example.com", "lena@example.com", "paul@example.com"}
    assert len(mailbox.mails) == 3


@pytest.mark.parametrize("is_known", [False, True], ids=["only the account", "profile too"])
async def test_guardians_get_the_mails_of_a_minor_whose_account_is_disabled(
    notify: RunningService, mailbox: MemoryMailbox, minor: FakeContactServices, is_known: bool
) -> None:
    minor.changes[str(PATIENT)] = {"status": "disabled"}
    minor.profiles[str(PATIENT)]["active"] = not is_known
    await notify.publish_event(an_event("appointment.cancelled.v1"))
    assert {email for email, _ in mailbox.count_mails()} == {"ada@example.com", "lena@example.com", "paul@example.com"}


async def test_a_mail_to_a_minor_that_is_sent_again_is_not_sent_to_the_guardians_again(
    notify: RunningService, mailbox: MemoryMailbox, minor: FakeContactServices, tmp_path: Path
) -> None:
    await notify.publish_event(an_event())
    (message,) = [row for row in await stored_messages(tmp_path) if row.recipient_id == PATIENT]
    path, desk = f"/admin/messages/{message.id}/resend", bearer(Role.RECEPTION) | {"Idempotency-Key": str(new_id())}
    assert (await notify.http.post(path, headers=desk)).is_success
    await notify.run_until_idle()
    assert mailbox.count_mails()["mina@example.com", "Appointment confirmed"] == 2
    assert len(mailbox.mails) == 5


@pytest.mark.parametrize("email", ["mina@example.com, everyone@example.com", "mina", "mina@exa mple.com"])
async def test_an_undeliverable_address_fails_alone(
    email: str, notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, tmp_path: Path
) -> None:
    services.changes[str(PATIENT)] = {"email": email}
    await notify.publish_event(an_event())
    assert set(mailbox.count_mails()) == {("ada@example.com", "New appointment")}
    assert await statuses(tmp_path) == [(str(PATIENT), MessageStatus.FAILED, "no_such_address")]


async def test_a_burst_of_bookings_of_one_doctor_asks_for_the_doctor_once(notify: RunningService, services: FakeContactServices) -> None:
    for _ in range(100):
        event = an_event(id=new_id(), appointment_id=new_id())
        await notify.bus.publish(event.topic, str(event.id), json.dumps(event.to_cloudevent("test")).encode())
    await notify.run_until_idle()
    assert [ids for service, ids in services.requests if service == Service.DOCTOR and DOCTOR in ids] == [[DOCTOR]]
    assert len([ids for service, ids in services.requests if service == Service.AUTH]) <= 2


async def test_a_new_address_counts_for_the_next_mail(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    await notify.publish_event(an_event(id=new_id()))
    services.changes[str(PATIENT)] = {"email": "new@example.com", "version": 2}
    changed = AccountChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT, role=Role.PATIENT, status="active", version=2)
    await notify.publish_event(changed)
    await notify.publish_event(an_event("appointment.cancelled.v1", id=new_id(), version=3))
    assert ("new@example.com", "Appointment cancelled") in mailbox.count_mails()


@pytest.mark.parametrize(("person", "told"), [(MOTHER, {FATHER, DOCTOR}), (DOCTOR, {MOTHER, FATHER})])
@pytest.mark.parametrize("topic", ["booked", "rescheduled", "cancelled"])
async def test_a_guardian_or_doctor_with_a_disabled_account_gets_no_mail(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices, tmp_path: Path, person: str, told: set[str], topic: str
) -> None:
    dependant.changes[person] = {"status": "disabled"}
    await notify.publish_event(an_event(f"appointment.{topic}.v1"))
    assert {email for email, _ in mailbox.count_mails()} == {EMAILS[other] for other in told}
    messages = {str(message.recipient_id): message for message in await stored_messages(tmp_path)}
    assert (messages[person].status, messages[person].problem) == (MessageStatus.SKIPPED, "account_disabled")
