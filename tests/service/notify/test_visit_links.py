"""The links of visits in mails: whose mails have one, and that it stays the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from notify_svc.ports import MailDeferred
from shared.contracts.visit_links import VisitLinkKey
from shared.kit.ids import new_id
from tests.running import RunningService
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox, a_link_token
from tests.unit.notify.builders import APPOINTMENT, PATIENT, an_event

LINK = f"http://localhost:8000/visit/{a_link_token(VisitLinkKey(appointment_id=APPOINTMENT, recipient_id=PATIENT))}"


@pytest.mark.parametrize(
    ("name", "changes", "has_link"),
    [
        ("booked", {}, True),
        ("rescheduled", {"sequence": 1}, True),
        ("amended", {"changed": ["place"]}, True),
        ("cancelled", {"status": "cancelled"}, False),
        ("declined", {"status": "declined"}, False),
        ("expired", {"status": "expired"}, False),
    ],
)
async def test_the_patients_mail_about_a_visit_that_goes_on_has_the_link_and_the_doctors_never(
    notify: RunningService, mailbox: MemoryMailbox, name: str, changes: dict[str, Any], has_link: bool
) -> None:
    await notify.publish_event(an_event(f"appointment.{name}.v1", **changes))
    contents = {mail["To"].addresses[0].addr_spec: mail.as_string() for mail in mailbox.mails}
    assert (LINK in mailbox.text_to("mina@example.com")) == has_link
    assert "/visit/" not in contents.get("ada@example.com", "")


async def test_a_mail_that_is_sent_again_has_the_same_link_and_nothing_stores_it(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    mailbox.errors = [MailDeferred("later"), MailDeferred("later")]
    await notify.publish_event(an_event())
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert LINK in mailbox.text_to("mina@example.com")
    key = VisitLinkKey(appointment_id=APPOINTMENT, recipient_id=PATIENT)
    assert services.link_requests == [[key], [key]]


async def test_without_an_answer_from_appointment_service_the_mail_waits(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.missing_paths = {"/internal/visit-links"}
    await notify.publish_event(an_event())
    assert [mail["To"].addresses[0].addr_spec for mail in mailbox.mails] == ["ada@example.com"]
    services.missing_paths = set()
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert LINK in mailbox.text_to("mina@example.com")


async def test_the_links_of_mails_that_are_composed_together_are_asked_for_together(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    services.missing_paths = {"/internal/visit-links"}
    await asyncio.gather(*(notify.publish_event(an_event(id=new_id(), appointment_id=UUID(int=number))) for number in range(100, 120)))
    services.missing_paths = set()
    notify.clock.advance(timedelta(hours=1))
    await notify.run_until_idle()
    assert len(mailbox.mails) == 40
    assert len(services.link_requests) < 5
    assert sum(map(len, services.link_requests)) == 20
