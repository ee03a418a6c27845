"""Mails and reminders follow the clinic's settings: name, address, language, logo, address for replies, and offsets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from icalendar import Calendar

from shared.contracts.clinic import CLINIC_ID
from shared.contracts.events import SettingsChanged
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import RunningService, problem_response, run_service
from tests.service.notify.fake_services import MemoryMailbox
from tests.service.notify.reminder_services import FakeReminderServices
from tests.tokens import bearer
from tests.unit.notify.builders import an_event

START = an_event().starts_at
MINE = "mina@example.com"


class FakeSettings:
    """admin-service with the clinic's settings. With `is_down` it does not answer."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {"version": 1}
        self.is_down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return problem_response(503, "unavailable") if self.is_down else httpx.Response(200, json=self.settings)


@pytest.fixture
def admin() -> FakeSettings:
    return FakeSettings()


@pytest.fixture
async def notify(tmp_path: Path, mailbox: MemoryMailbox, admin: FakeSettings) -> AsyncIterator[RunningService]:
    services = FakeReminderServices()
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused", clinic_settings=admin) as service:
        yield service


async def change_settings(notify: RunningService, admin: FakeSettings, **settings: Any) -> None:
    """Change the settings as admin-service does, and publish its event."""
    admin.settings = {"version": admin.settings["version"] + 1, **settings}
    event = SettingsChanged(id=new_id(), occurred_at=notify.clock(), clinic_id=CLINIC_ID, version=admin.settings["version"])
    await notify.publish_event(event)


async def book(notify: RunningService, version: int = 2) -> None:
    event = an_event("appointment.booked.v1", id=new_id(), version=version, status="booked")
    await notify.publish_event(event.model_copy(update={"occurred_at": notify.clock()}))


async def test_a_mail_shows_what_an_admin_has_set(notify: RunningService, admin: FakeSettings, mailbox: MemoryMailbox) -> None:
    await change_settings(
        notify,
        admin,
        name="Praxis Linde",
        address="Lindenweg 5, 10969 Berlin",
        phone="+49 30 1234567",
        email="desk@linde.example",
        has_logo=True,
    )
    await book(notify)
    (mail,) = [mail for mail in mailbox.mails if mail["To"].addresses[0].addr_spec == MINE]
    assert mail["From"].addresses[0].display_name == "Praxis Linde"
    assert mail["Reply-To"].addresses[0].addr_spec == "desk@linde.example"
    assert mailbox.text_to(MINE).endswith("\nPraxis Linde\nLindenweg 5, 10969 Berlin\n+49 30 1234567\n")
    html = mail.get_body(("html",))
    assert html is not None
    assert '<img src="http://localhost:8000/clinic/logo" alt="Praxis Linde"' in html.get_content()
    (file,) = [part.get_content() for part in mail.walk() if part.get_content_type() == "text/calendar" and part.get_filename() is None][:1]
    (entry,) = Calendar.from_ical(file).walk("VEVENT")
    assert str(entry["LOCATION"]).endswith("Lindenweg 5, 10969 Berlin")
    assert str(entry["ORGANIZER"].params["CN"]) == "Praxis Linde"


async def test_an_outage_of_admin_service_changes_no_mail(notify: RunningService, admin: FakeSettings, mailbox: MemoryMailbox) -> None:
    await change_settings(notify, admin, name="Praxis Linde", phone="+49 30 1234567")
    admin.is_down = True
    await notify.advance(timedelta(hours=1))
    await book(notify)
    assert mailbox.text_to(MINE).endswith("\nPraxis Linde\n+49 30 1234567\n")


async def test_other_offsets_move_the_reminders_of_visits_that_are_booked(
    notify: RunningService, admin: FakeSettings, mailbox: MemoryMailbox
) -> None:
    await book(notify)
    await change_settings(notify, admin, reminder_offsets_minutes=[120])
    await notify.advance(timedelta(minutes=3), steps=3)
    mailbox.mails.clear()
    await notify.advance(START - timedelta(minutes=119) - notify.clock(), steps=200)
    assert [str(mail["Subject"]) for mail in mailbox.mails if mail["To"].addresses[0].addr_spec == MINE] == [
        "Reminder of your appointment - Careslot Clinic"
    ], "neither a day before, as the environment says, nor twice"


async def test_messages_are_kept_for_the_days_that_an_admin_has_set(notify: RunningService, admin: FakeSettings) -> None:
    async def count() -> int:
        return len((await notify.http.get("/admin/messages", headers=bearer(Role.ADMIN))).json()["items"])

    await change_settings(notify, admin, retention={"messages_days": 30})
    await book(notify)
    await notify.advance(timedelta(days=29))
    assert await count() > 0
    await notify.advance(timedelta(days=40), steps=2)
    assert await count() == 0
