"""Which mails an event sends, and to whom."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar

from shared.contracts.events import AccountInvited, AccountLocked, PasswordChanged, PasswordResetRequested
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from tests.running import NOON, RunningService, problem_response, run_service
from tests.service.notify.fake_services import DOCTOR, OTHER_DOCTOR, FakeContactServices, MemoryMailbox, stored_messages, stored_statuses
from tests.unit.notify.builders import APPOINTMENT, PATIENT, SERVICE, an_event


async def test_patient_and_doctor_get_one_mail_each(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event())
    assert mailbox.count_mails() == {("mina@example.com", "Appointment confirmed"): 1, ("ada@example.com", "New appointment"): 1}


async def test_each_mail_has_the_time_in_the_recipients_time_zone(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event())
    assert "When: Monday, 9 March 2026, 09:00" in mailbox.text_to("mina@example.com")
    assert "When: Monday, 9 March 2026, 14:00" in mailbox.text_to("ada@example.com")


@pytest.mark.parametrize(("own_zone", "zone", "time"), [(None, "Asia/Tokyo", "21:00"), ("America/New_York", "America/New_York", "08:00")])
async def test_staff_read_times_in_their_own_zone_or_the_clinics(
    mailbox: MemoryMailbox, services: FakeContactServices, tmp_path: Path, own_zone: str | None, zone: str, time: str
) -> None:
    services.changes[str(PATIENT)] = {"role": "reception", "time_zone": own_zone}
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused", time_zone="Asia/Tokyo") as notify:
        await notify.publish_event(AccountInvited(id=new_id(), occurred_at=NOON, account_id=PATIENT, reset_id=new_id(), expires_at=NOON))
    assert f"until Monday, 9 March 2026, {time} ({zone})" in mailbox.text_to("mina@example.com")


async def test_an_event_that_arrives_twice_sends_its_mails_once(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event())
    await notify.publish_event(an_event())
    assert len(mailbox.mails) == 2


async def test_a_booking_that_arrives_after_its_cancellation_sends_nothing(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event("appointment.cancelled.v1", version=3, id=new_id()))
    await notify.publish_event(an_event("appointment.booked.v1", version=2, id=new_id()))
    assert set(mailbox.count_mails()) == {("mina@example.com", "Appointment cancelled"), ("ada@example.com", "Appointment cancelled")}


async def test_a_check_in_sends_nothing_and_makes_older_events_obsolete(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event("appointment.checked_in.v1", version=4, id=new_id()))
    await notify.publish_event(an_event("appointment.rescheduled.v1", version=3, id=new_id()))
    assert mailbox.mails == []


async def test_a_booking_that_arrives_after_an_amendment_is_still_confirmed(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event("appointment.amended.v1", version=3, id=new_id()))
    assert mailbox.mails == []
    await notify.publish_event(an_event("appointment.booked.v1", version=2, id=new_id()))
    assert len(mailbox.mails) == 2


async def test_a_new_place_or_name_is_mailed_to_the_patient_once(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    await notify.publish_event(an_event(id=new_id()))
    services.changes[DOCTOR] = {"location": "New Street 1", "full_name": "Ada Schwarz", "title": "Prof.", "version": 2}
    amended = an_event("appointment.amended.v1", id=new_id(), version=3, sequence=1, changed=["place", "doctor_name"])
    for event in (amended, amended):
        await notify.publish_event(event)
    assert mailbox.count_mails() == {
        ("mina@example.com", "Appointment confirmed"): 1,
        ("ada@example.com", "New appointment"): 1,
        ("mina@example.com", "Appointment changed"): 1,
    }
    text = mailbox.text_to("mina@example.com")
    assert "With (new): Prof. Ada Schwarz" in text
    assert "Where (new): New Street 1" in text
    files = [event_of(mail) for mail in mailbox.mails if mail["To"].addresses[0].addr_spec == "mina@example.com"]
    assert [(file["UID"], file["SEQUENCE"], file.get("LOCATION")) for file in files] == [
        (f"{APPOINTMENT}@careslot", 0, None),
        (f"{APPOINTMENT}@careslot", 1, "New Street 1"),
    ]


@pytest.mark.parametrize("changed", [["reason"], ["intake"], ["reason", "intake"], ["check_in"]])
async def test_an_amended_reason_or_intake_sends_nothing(notify: RunningService, mailbox: MemoryMailbox, changed: list[str]) -> None:
    topic = "appointment.booked.v1" if changed == ["check_in"] else "appointment.amended.v1"
    await notify.publish_event(an_event(topic, changed=changed))
    assert mailbox.mails == []


async def test_an_amendment_that_arrives_late_or_early_replaces_no_other_mail(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event("appointment.amended.v1", id=new_id(), version=3, changed=["place"]))
    await notify.publish_event(an_event("appointment.booked.v1", id=new_id(), version=2))
    await notify.publish_event(an_event("appointment.cancelled.v1", id=new_id(), version=5))
    await notify.publish_event(an_event("appointment.amended.v1", id=new_id(), version=4, changed=["place"]))
    to_patient = {title: count for (email, title), count in mailbox.count_mails().items() if email == "mina@example.com"}
    assert to_patient == {"Appointment changed": 1, "Appointment confirmed": 1, "Appointment cancelled": 1}


async def test_no_mail_about_a_visit_by_video_or_phone_names_a_street(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.changes[DOCTOR] = {"location": "Main Street 9"}
    for version, (mode, place) in enumerate((("in_person", "Main Street 9"), ("video", None), ("phone", None)), 1):
        mailbox.mails.clear()
        await notify.publish_event(an_event(id=new_id(), version=version, mode=mode))
        assert len(mailbox.mails) == 2
        for mail in mailbox.mails:
            assert event_of(mail).get("LOCATION") == place
            assert ("Main Street 9" in mailbox.text_to(mail["To"].addresses[0].addr_spec)) == (place is not None)


@pytest.mark.parametrize("field", ["full_name", "title", "location"])
async def test_a_name_with_a_line_break_from_old_data_prevents_no_mail(
    field: str, notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    for person in (PATIENT, DOCTOR):
        services.changes[str(person)] = {field: "One\r\nTwo"}
    await notify.publish_event(an_event())
    assert mailbox.count_mails() == {("mina@example.com", "Appointment confirmed"): 1, ("ada@example.com", "New appointment"): 1}


@pytest.mark.parametrize("time_zone", ["", "Mars/Olympus"])
async def test_a_person_without_a_zone_reads_the_clinics(
    time_zone: str, notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.changes[str(PATIENT)] = {"time_zone": time_zone}
    await notify.publish_event(an_event())
    assert "When: Monday, 9 March 2026, 13:00\n" in mailbox.text_to("mina@example.com")
    assert "Times are in UTC." in mailbox.text_to("mina@example.com")


async def test_both_doctors_and_the_patient_are_notified_of_a_new_doctor(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event("appointment.rescheduled.v1", previous_doctor_id=UUID(OTHER_DOCTOR), previous_starts_at=NOON))
    assert mailbox.count_mails() == {
        ("mina@example.com", "Appointment moved"): 1,
        ("ada@example.com", "New appointment"): 1,
        ("otto@example.com", "Appointment handed over"): 1,
    }
    assert "When: Monday, 2 March 2026, 21:00" in mailbox.text_to("otto@example.com")
    files = [Calendar.from_ical(next(mail.iter_attachments()).get_content()) for mail in mailbox.mails]
    assert [str(file["METHOD"]) for file in files] == ["REQUEST", "REQUEST", "CANCEL"]


def event_of(mail: EmailMessage) -> Any:
    """Return the event in the calendar file of a mail."""
    return Calendar.from_ical(next(mail.iter_attachments()).get_content()).walk("VEVENT")[0]


async def test_a_patient_without_account_gets_no_mail_and_the_doctor_does(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, tmp_path: Path
) -> None:
    services.missing.add((Service.AUTH, str(PATIENT)))
    await notify.publish_event(an_event())
    assert [(message.audience, message.status, message.problem) for message in await stored_messages(tmp_path)] == [
        ("doctor", "sent", None),
        ("patient", "skipped", "no_address"),
    ]
    assert set(mailbox.count_mails()) == {("ada@example.com", "New appointment")}


@pytest.mark.parametrize("event", [AccountInvited, PasswordResetRequested])
async def test_a_link_is_mailed_and_not_stored(
    event: type[AccountInvited | PasswordResetRequested], notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    await notify.publish_event(event(id=new_id(), occurred_at=NOON, account_id=PATIENT, reset_id=new_id(), expires_at=NOON))
    text = mailbox.text_to("mina@example.com")
    assert "/reset?token=t0ken" in text
    assert "t0ken" in text.splitlines()
    assert "until Monday, 9 March 2026, 08:00 (America/New_York)" in text
    assert "t0ken" not in repr(await stored_messages(tmp_path))
    assert b"t0ken" not in (tmp_path / "notify_svc.db").read_bytes() + (tmp_path / "bus.db").read_bytes()


async def test_the_owner_of_an_account_is_notified_in_the_language_of_their_profile(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.locale = "de-CH"
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    assert mailbox.count_mails() == {("mina@example.com", "Ihr Passwort wurde geändert"): 1}


@pytest.mark.parametrize(("locale", "subject"), [("en", "Wrong passwords for your account"), ("de", "Falsche Passwörter für Ihren Zugang")])
async def test_the_owner_of_a_locked_account_gets_a_mail_without_a_link(
    locale: str, subject: str, notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.locale = locale
    event = AccountLocked(id=new_id(), occurred_at=NOON, account_id=PATIENT)
    for _ in range(2):
        await notify.publish_event(event)
    assert mailbox.count_mails() == {("mina@example.com", subject): 1}
    assert "reset?token" not in mailbox.text_to("mina@example.com")


async def test_a_link_that_no_longer_works_is_not_mailed(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, tmp_path: Path
) -> None:
    services.token_response = problem_response(422, "token_invalid")
    await notify.publish_event(
        PasswordResetRequested(id=new_id(), occurred_at=NOON, account_id=PATIENT, reset_id=new_id(), expires_at=NOON)
    )
    assert [message.problem for message in await stored_messages(tmp_path)] == ["link_expired"]
    assert mailbox.mails == []


async def test_no_mail_names_the_service(notify: RunningService, mailbox: MemoryMailbox) -> None:
    for version, topic in enumerate(("requested", "booked", "rescheduled", "cancelled"), 1):
        await notify.publish_event(an_event(f"appointment.{topic}.v1", version=version, id=new_id()))
    assert len(mailbox.mails) == 8
    assert [mail for mail in mailbox.mails if str(SERVICE) in mail.as_string()] == []


async def test_only_health_checks_are_served(notify: RunningService) -> None:
    assert (await notify.http.get("/livez")).is_success
    assert (await notify.http.get("/readyz")).is_success
    assert (await notify.http.get("/messages")).status_code == 404


async def test_an_older_message_is_skipped_when_a_newer_one_was_sent(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, tmp_path: Path
) -> None:
    services.disconnect()
    await notify.publish_event(an_event(id=new_id()))
    services.unreachable.clear()
    await notify.publish_event(an_event("appointment.cancelled.v1", version=3, id=new_id()))
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert {subject for _, subject in mailbox.count_mails()} == {"Appointment cancelled"}
    assert await stored_statuses(tmp_path) == ["sent", "sent", "skipped", "skipped"]


@pytest.mark.parametrize("topic", ["booked", "rescheduled", "cancelled"])
async def test_a_patient_with_a_disabled_account_gets_no_mail_even_at_the_address_that_the_clinic_knows(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, tmp_path: Path, topic: str
) -> None:
    services.changes[str(PATIENT)] = {"status": "disabled"}
    services.profiles[str(PATIENT)] = {"email": "other@example.com"}
    await notify.publish_event(an_event(f"appointment.{topic}.v1"))
    assert {email for email, _ in mailbox.count_mails()} == {"ada@example.com"}
    (message,) = [message for message in await stored_messages(tmp_path) if message.recipient_id == PATIENT]
    assert (message.status, message.problem) == ("skipped", "account_disabled")


async def test_the_owner_of_a_disabled_account_gets_no_mail(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, tmp_path: Path
) -> None:
    services.changes[str(PATIENT)] = {"status": "disabled"}
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    assert mailbox.mails == []
    assert [(message.status, message.problem) for message in await stored_messages(tmp_path)] == [("skipped", "account_disabled")]
