"""Digests of doctors: in the evening, for the next day, once, and only with visits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from notify_svc.ports import MailDeferred
from notify_svc.repository.tables import DOCTOR_PREFERENCES
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import MemoryMailbox, stored_messages
from tests.service.notify.reminder_services import FakeReminderServices
from tests.unit.notify.builders import DOCTOR, an_event

EVENING = datetime(2026, 3, 8, 17, tzinfo=UTC)  # six o'clock in Berlin, on the day before the visit
MINUTE, MIDNIGHT = timedelta(minutes=1), datetime(2026, 3, 8, 23, tzinfo=UTC)


@pytest.fixture
def digest_services() -> FakeReminderServices:
    return FakeReminderServices()


@pytest.fixture
async def clinic(tmp_path: Path, mailbox: MemoryMailbox, digest_services: FakeReminderServices) -> AsyncIterator[RunningService]:
    """A running notification-service whose doctor wants digests."""
    async with run_service("notify_svc", tmp_path, digest_services, mailbox=mailbox, mail_url="file:unused") as notify:
        preference = {"doctor_id": DOCTOR, "version": 1, "daily_digest": True, "switched_at": NOON}
        await store_preference(tmp_path, insert(DOCTOR_PREFERENCES).values(preference))
        yield notify


async def store_preference(folder: Path, statement: Any) -> None:
    url = f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db"
    async with Database(url) as database, database.write() as connection:
        await connection.execute(statement)


async def book(clinic: RunningService, **changes: Any) -> None:
    await clinic.publish_event(an_event(**{"id": new_id(), "appointment_id": new_id()} | changes))


async def go_to(clinic: RunningService, instant: datetime) -> None:
    clinic.clock.set(instant)
    await clinic.run_until_idle()


async def digests(folder: Path) -> list[Any]:
    return [row for row in await stored_messages(folder) if row.kind == "digest"]


async def test_a_doctor_gets_times_and_count_of_the_next_days_visits_at_six(clinic: RunningService, tmp_path: Path) -> None:
    first = an_event().starts_at
    for start in (first, first, first + timedelta(hours=1), first + timedelta(days=1)):
        await book(clinic, starts_at=start)
    await go_to(clinic, EVENING - MINUTE)
    assert await digests(tmp_path) == []
    await go_to(clinic, EVENING)
    await go_to(clinic, EVENING + MINUTE)
    (digest,) = await digests(tmp_path)
    assert (digest.recipient_id, digest.status, digest.facts["date"], digest.facts["count"]) == (DOCTOR, "sent", "2026-03-09", 3)
    assert digest.facts["starts"] == ["2026-03-09T13:00:00Z", "2026-03-09T13:00:00Z", "2026-03-09T14:00:00Z"]


async def test_a_day_without_booked_visits_has_no_digest(clinic: RunningService, tmp_path: Path) -> None:
    await book(clinic, status="requested")
    await go_to(clinic, EVENING)
    await book(clinic)
    await go_to(clinic, EVENING + 2 * MINUTE)
    assert await digests(tmp_path) == [], "it was decided at six, when there was no visit"


async def test_a_doctor_who_wants_no_digest_gets_none(clinic: RunningService, tmp_path: Path) -> None:
    await store_preference(tmp_path, update(DOCTOR_PREFERENCES).values(daily_digest=False))
    await book(clinic)
    await go_to(clinic, EVENING)
    assert await digests(tmp_path) == []


@pytest.mark.parametrize(("minutes_before_midnight", "sent"), [(1, 1), (0, 0)])
async def test_after_an_outage_a_digest_is_sent_until_midnight(
    clinic: RunningService, tmp_path: Path, minutes_before_midnight: int, sent: int
) -> None:
    await book(clinic)
    await go_to(clinic, MIDNIGHT - minutes_before_midnight * MINUTE)
    assert [row.facts["date"] for row in await digests(tmp_path)] == ["2026-03-09"] * sent


async def test_a_digest_that_waits_for_the_mail_server_says_what_is_true_when_it_is_sent(
    clinic: RunningService, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    visit = an_event().appointment_id
    await book(clinic, appointment_id=visit)
    mailbox.errors = [MailDeferred("450")] * 2
    await go_to(clinic, EVENING)
    await book(clinic, appointment_id=visit, version=3, status="cancelled")
    mailbox.errors = []
    await go_to(clinic, EVENING + 10 * MINUTE)
    (digest,) = await digests(tmp_path)
    assert (digest.status, digest.problem) == ("skipped", "outdated")
