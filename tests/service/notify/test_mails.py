"""Events in, mails out: who is told what, once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from icalendar import Calendar

from shared.contracts.events import AccountInvited, PasswordChanged, PasswordResetRequested
from shared.kit.ids import new_id
from tests.running import NOON, RunningService
from tests.service.notify.post import OTHER_DOCTOR, Neighbours, Recorder, messages, statuses
from tests.unit.notify.test_letters import IDS, an_event


async def test_patient_and_doctor_get_one_mail_each(notify: RunningService, mailbox: Recorder) -> None:
    await notify.publish_event(an_event())
    assert mailbox.told() == {("mina@example.com", "Appointment confirmed"): 1, ("ada@example.com", "New appointment"): 1}


async def test_each_reads_the_time_on_their_own_clock(notify: RunningService, mailbox: Recorder) -> None:
    await notify.publish_event(an_event())
    assert "When: Monday, 9 March 2026, 09:00" in mailbox.text_to("mina@example.com")
    assert "When: Monday, 9 March 2026, 14:00" in mailbox.text_to("ada@example.com")


async def test_the_same_event_twice_is_told_once(notify: RunningService, mailbox: Recorder) -> None:
    await notify.publish_event(an_event())
    await notify.publish_event(an_event())
    assert len(mailbox.mails) == 2


async def test_a_late_booked_after_cancelled_sends_nothing(notify: RunningService, mailbox: Recorder) -> None:
    await notify.publish_event(an_event("appointment.cancelled.v1", version=3, id=new_id()))
    await notify.publish_event(an_event("appointment.booked.v1", version=2, id=new_id()))
    assert set(mailbox.told()) == {("mina@example.com", "Appointment cancelled"), ("ada@example.com", "Appointment cancelled")}


async def test_a_check_in_is_known_and_not_told(notify: RunningService, mailbox: Recorder) -> None:
    await notify.publish_event(an_event("appointment.checked_in.v1", version=4, id=new_id()))
    await notify.publish_event(an_event("appointment.rescheduled.v1", version=3, id=new_id()))
    assert mailbox.mails == []


async def test_a_booking_that_an_amendment_overtook_is_still_confirmed(notify: RunningService, mailbox: Recorder) -> None:
    await notify.publish_event(an_event("appointment.amended.v1", version=3, id=new_id()))
    assert mailbox.mails == []
    await notify.publish_event(an_event("appointment.booked.v1", version=2, id=new_id()))
    assert len(mailbox.mails) == 2


async def test_two_doctors_and_the_patient_hear_of_a_new_doctor(notify: RunningService, mailbox: Recorder) -> None:
    await notify.publish_event(an_event("appointment.rescheduled.v1", previous_doctor_id=UUID(OTHER_DOCTOR), previous_starts_at=NOON))
    assert mailbox.told() == {
        ("mina@example.com", "Appointment moved"): 1,
        ("ada@example.com", "New appointment"): 1,
        ("otto@example.com", "Appointment handed over"): 1,
    }
    assert "When: Monday, 2 March 2026, 21:00" in mailbox.text_to("otto@example.com")
    files = [Calendar.from_ical(next(mail.iter_attachments()).get_content()) for mail in mailbox.mails]
    assert [str(file["METHOD"]) for file in files] == ["REQUEST", "REQUEST", "CANCEL"]


async def test_a_walk_in_is_not_written_to_and_the_doctor_is(
    notify: RunningService, mailbox: Recorder, neighbours: Neighbours, tmp_path: Path
) -> None:
    neighbours.gone.add(f"/internal/accounts/{IDS[4]}")
    await notify.publish_event(an_event())
    assert [(message.reader, message.status, message.problem) for message in await messages(tmp_path)] == [
        ("doctor", "sent", None),
        ("patient", "failed", "no_address"),
    ]
    assert set(mailbox.told()) == {("ada@example.com", "New appointment")}


@pytest.mark.parametrize("event", [AccountInvited, PasswordResetRequested])
async def test_a_link_is_mailed_and_kept_nowhere(
    event: type[AccountInvited | PasswordResetRequested], notify: RunningService, mailbox: Recorder, tmp_path: Path
) -> None:
    await notify.publish_event(event(id=new_id(), occurred_at=NOON, account_id=IDS[4], reset_id=new_id(), expires_at=NOON))
    text = mailbox.text_to("mina@example.com")
    assert "/reset?token=t0ken" in text
    assert "t0ken" in text.splitlines()
    assert "until Monday, 9 March 2026, 08:00 (America/New_York)" in text
    assert "t0ken" not in repr(await messages(tmp_path))
    assert b"t0ken" not in (tmp_path / "notify_svc.db").read_bytes() + (tmp_path / "bus.db").read_bytes()


async def test_the_owner_is_told_in_their_profiles_language(notify: RunningService, mailbox: Recorder, neighbours: Neighbours) -> None:
    neighbours.locale = "de-CH"
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=IDS[4]))
    assert mailbox.told() == {("mina@example.com", "Ihr Passwort wurde geändert"): 1}


async def test_a_link_that_no_longer_works_is_not_mailed(
    notify: RunningService, mailbox: Recorder, neighbours: Neighbours, tmp_path: Path
) -> None:
    problem = {"status": 422, "code": "token_invalid", "title": "Token invalid", "detail": "It is used up."}
    neighbours.token = httpx.Response(422, json=problem, headers={"content-type": "application/problem+json"})
    await notify.publish_event(PasswordResetRequested(id=new_id(), occurred_at=NOON, account_id=IDS[4], reset_id=new_id(), expires_at=NOON))
    assert [message.problem for message in await messages(tmp_path)] == ["link_expired"]
    assert mailbox.mails == []


async def test_no_mail_tells_the_service(notify: RunningService, mailbox: Recorder) -> None:
    for version, topic in enumerate(("requested", "booked", "rescheduled", "cancelled"), 1):
        await notify.publish_event(an_event(f"appointment.{topic}.v1", version=version, id=new_id()))
    assert len(mailbox.mails) == 8
    assert [mail for mail in mailbox.mails if str(IDS[2]) in mail.as_string()] == []


async def test_nothing_is_served_but_its_health(notify: RunningService) -> None:
    assert (await notify.http.get("/livez")).is_success
    assert (await notify.http.get("/readyz")).is_success
    assert (await notify.http.get("/messages")).status_code == 404


async def test_an_older_message_is_skipped_when_a_newer_one_went_out(
    notify: RunningService, mailbox: Recorder, neighbours: Neighbours, tmp_path: Path
) -> None:
    neighbours.down.add("/internal")
    await notify.publish_event(an_event(id=new_id()))
    neighbours.down.clear()
    await notify.publish_event(an_event("appointment.cancelled.v1", version=3, id=new_id()))
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert {subject for _, subject in mailbox.told()} == {"Appointment cancelled"}
    assert await statuses(tmp_path) == ["sent", "sent", "skipped", "skipped"]
