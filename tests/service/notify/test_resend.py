"""Members of staff send a message again: once, and only what is still true."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from notify_svc.domain.messages import MessageStatus
from notify_svc.ports import DeliveryUnknown, MailRefused
from shared.contracts.events import PasswordChanged, PasswordResetRequested
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox
from tests.tokens import bearer
from tests.unit.notify.builders import PATIENT, an_event

ADMIN_ID = UUID(int=77)
ADMIN = bearer(Role.ADMIN, ADMIN_ID)


async def first_message(service: RunningService, **params: Any) -> dict[str, Any]:
    """Return the newest message, or the newest with these properties."""
    response = await service.http.get("/admin/messages", params=params, headers=ADMIN)
    return dict(response.json()["items"][0])


async def resend(service: RunningService, message_id: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
    """Send a message again; return the status and the body of the response."""
    headers = ADMIN | ({"Idempotency-Key": key} if key else {})
    response = await service.http.post(f"/admin/messages/{message_id}/resend", headers=headers)
    return response.status_code, response.json()


async def change_password(service: RunningService) -> dict[str, Any]:
    """Publish that the patient has changed the password, and return the message."""
    await service.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    return await first_message(service)


@pytest.mark.parametrize("error", [MailRefused("550"), DeliveryUnknown("lost")])
async def test_after_failed_or_unknown_the_same_mail_goes_out_once(
    notify: RunningService, mailbox: MemoryMailbox, error: Exception
) -> None:
    mailbox.errors = [error]
    message = await change_password(notify)
    status, resent = await resend(notify, message["id"])
    assert (status, resent["id"], resent["status"]) == (200, message["id"], "queued")
    assert (resent["resent_by"], resent["resent_at"], resent["resent_from"]) == (str(ADMIN_ID), "2026-03-02T12:00:00Z", None)
    await notify.run_until_idle()
    assert [mail["Message-ID"] for mail in mailbox.mails] == [resent["internet_message_id"]]
    assert (await first_message(notify))["status"] == "sent"


async def test_after_sent_a_new_mail_goes_out(notify: RunningService, mailbox: MemoryMailbox) -> None:
    message = await change_password(notify)
    status, repetition = await resend(notify, message["id"])
    assert status == 200
    assert repetition["id"] != message["id"]
    assert (repetition["resent_from"], repetition["attempts"], repetition["status"]) == (message["id"], 0, "queued")
    await notify.run_until_idle()
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == len(mailbox.mails) == 2
    assert mailbox.mails[1]["Message-ID"] == repetition["internet_message_id"]


@pytest.mark.parametrize("refused_mails", [0, 1])
async def test_a_double_click_sends_one_mail(notify: RunningService, mailbox: MemoryMailbox, refused_mails: int) -> None:
    mailbox.errors = [MailRefused("550")] * refused_mails
    message = await change_password(notify)
    answers = await asyncio.gather(*(resend(notify, message["id"]) for _ in range(4)))
    assert sorted(status for status, _body in answers) == [200, 409, 409, 409]
    await notify.run_until_idle()
    status, refused = await resend(notify, message["id"])
    assert (status, refused["code"], refused["available_again_at"]) == (409, "resent_just_now", "2026-03-02T12:01:00Z")
    assert len(mailbox.mails) == 2 - refused_mails


async def test_concurrent_requests_on_any_database_send_one_mail(sql_url: str, tmp_path: Path, services: FakeContactServices) -> None:
    mailbox = MemoryMailbox()
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused", database_url=sql_url) as notify:
        await notify.publish_event(an_event())
        message = await first_message(notify, recipient_id=str(PATIENT))
        answers = await asyncio.gather(*(resend(notify, message["id"]) for _ in range(6)))
        assert [status for status, _body in answers].count(200) == 1
        await notify.run_until_idle()
    assert len(mailbox.mails) == 3


async def test_a_repeated_key_gets_the_first_answer(notify: RunningService, mailbox: MemoryMailbox) -> None:
    message = await change_password(notify)
    first = await resend(notify, message["id"], "key")
    await notify.run_until_idle()
    assert await resend(notify, message["id"], "key") == first
    assert len(mailbox.mails) == 2


async def test_a_message_that_waits_is_not_sent_again(notify: RunningService, services: FakeContactServices) -> None:
    services.disconnect()
    message = await change_password(notify)
    status, refused = await resend(notify, message["id"])
    assert (message["status"], status, refused["code"]) == ("queued", 409, "message_not_finished")


async def test_a_confirmation_is_not_sent_again_after_the_cancellation(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    await notify.publish_event(an_event())
    booked = await first_message(notify, recipient_id=str(PATIENT))
    await notify.publish_event(an_event("appointment.cancelled.v1", id=new_id(), version=3))
    assert (await resend(notify, booked["id"]))[1]["code"] == "outdated"
    cancelled = await first_message(notify, recipient_id=str(PATIENT), kind="cancelled")
    assert (await resend(notify, cancelled["id"]))[0] == 200
    await notify.run_until_idle()
    assert mailbox.count_mails()["mina@example.com", "Appointment cancelled"] == 2
    assert (await resend(notify, booked["id"]))[1]["code"] == "outdated", "also when it was skipped or repeated"


async def test_an_older_message_that_was_skipped_stays_outdated(notify: RunningService, services: FakeContactServices) -> None:
    services.disconnect()
    await notify.publish_event(an_event(id=new_id()))
    services.unreachable.clear()
    await notify.publish_event(an_event("appointment.cancelled.v1", version=3, id=new_id()))
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    skipped = await first_message(notify, status="skipped")
    assert (skipped["problem"], skipped["attempts"]) == ("newer_message", 1)
    assert (await resend(notify, skipped["id"]))[1]["code"] == "outdated"


async def test_a_link_is_not_mailed_again_after_its_end(notify: RunningService) -> None:
    expires_at = NOON + timedelta(hours=1)
    event = PasswordResetRequested(id=new_id(), occurred_at=NOON, account_id=PATIENT, reset_id=new_id(), expires_at=expires_at)
    await notify.publish_event(event)
    message = await first_message(notify)
    assert (await resend(notify, message["id"]))[0] == 200
    await notify.run_until_idle()
    notify.clock.set(expires_at)
    assert (await resend(notify, message["id"]))[1]["code"] == "outdated"


async def test_a_message_that_was_sent_again_is_delivered_as_any_other(notify: RunningService, mailbox: MemoryMailbox) -> None:
    mailbox.errors = [MailRefused("550"), MailRefused("551")]
    message = await change_password(notify)
    await resend(notify, message["id"])
    await notify.run_until_idle()
    details = (await notify.http.get(f"/admin/messages/{message['id']}", headers=ADMIN)).json()
    assert [(attempt["status"], attempt["problem_detail"]) for attempt in details["attempt_log"]] == [("failed", "550"), ("failed", "551")]
    assert (details["status"], details["attempts"]) == (MessageStatus.FAILED, 2)
