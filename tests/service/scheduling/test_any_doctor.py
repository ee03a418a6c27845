"""The least busy doctor on a day that is longer or shorter than others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from shared.contracts.http import WeeklyWindow
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.unit.scheduling.builders import COLLEAGUE, DOCTOR, a_doctor, a_service

EVERY_DAY = [WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in range(1, 8)]
VISIT, WANTED = UUID(int=0x100), UUID(int=0x101)


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    doctors = [a_doctor(weekly=EVERY_DAY), a_doctor(id=COLLEAGUE, weekly=EVERY_DAY)]
    async with a_clinic(tmp_path, DoctorService(doctors, [a_service(slot_step_minutes=15, horizon_days=300)])) as clinic:
        yield clinic


async def book_any_doctor(clinic: RunningService, busy_at: str, start: str) -> UUID:
    """Return the doctor who is booked when the first one is busy at another time of the day."""
    assert (await reserve(clinic, 1, patient_id=VISIT, starts_at=datetime.fromisoformat(busy_at))).status_code == 200
    response = await reserve(clinic, 2, patient_id=WANTED, doctor_id=None, starts_at=datetime.fromisoformat(start))
    return UUID(response.json()["doctor_id"])


MIDNIGHT, EVENING = "2026-10-25T00:00+02:00", "2026-10-25T23:45+01:00"


@pytest.mark.parametrize(("busy_at", "start"), [(MIDNIGHT, EVENING), (EVENING, MIDNIGHT)], ids=["midnight", "evening"])
async def test_a_day_of_twenty_five_hours_is_one_day(clinic: RunningService, busy_at: str, start: str) -> None:
    assert datetime.fromisoformat(EVENING) - datetime.fromisoformat(MIDNIGHT) > timedelta(hours=24)
    assert await book_any_doctor(clinic, busy_at, start) == COLLEAGUE


@pytest.mark.parametrize(
    ("busy_at", "start"),
    [("2026-10-24T23:30+02:00", EVENING), ("2026-10-26T00:00+01:00", MIDNIGHT), ("2026-03-28T23:30+01:00", "2026-03-29T22:30+02:00")],
    ids=["the-evening-before", "the-morning-after", "before-a-day-of-twenty-three-hours"],
)
async def test_a_visit_on_another_date_does_not_count(clinic: RunningService, busy_at: str, start: str) -> None:
    assert await book_any_doctor(clinic, busy_at, start) == DOCTOR
