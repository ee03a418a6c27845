"""Groups, caps and any doctor over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.http import WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

GROUP, CAPPED, WEEKLY = UUID(int=0x61), UUID(int=0x62), UUID(int=0x63)
ALL = [CHECKUP, GROUP, CAPPED, WEEKLY]
HALF = timedelta(minutes=30)
EVERY_DAY = [WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in range(1, 8)]


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    services = [
        a_service(),
        a_service(id=GROUP, capacity=3, buffer_after_minutes=15),
        a_service(id=CAPPED, daily_cap=2),
        a_service(id=WEEKLY, weekly_cap=2),
    ]
    doctors = [a_doctor(services=ALL), a_doctor(id=COLLEAGUE, services=ALL, time_zone="Pacific/Auckland", weekly=EVERY_DAY)]
    async with a_clinic(tmp_path, DoctorService(doctors, services), database_url=sql_url) as clinic:
        yield clinic


def a_patient_id(number: int) -> UUID:
    return UUID(int=0xAA00 + number)


async def book(clinic: RunningService, number: int, service: UUID, start: datetime = NINE, **request: Any) -> dict[str, Any]:
    response = await reserve(clinic, number, patient_id=a_patient_id(number), service_id=service, starts_at=start, **request)
    body: dict[str, Any] = response.json()
    return body


async def starts(clinic: RunningService, service: UUID, query: str = "", doctor: UUID = DOCTOR) -> dict[str, int]:
    """Return the starts from nine to eleven with the number of free places."""
    path = f"/slots?service_id={service}&doctor_id={doctor}&from={format_instant(NINE)}&to={format_instant(NINE + 4 * HALF)}{query}"
    items = (await clinic.http.get(path, headers=bearer(Role.ADMIN))).json()["items"]
    return {slot["starts_at"][11:16]: slot["remaining"] for slot in items}


async def reasons(clinic: RunningService, service: UUID, start: datetime, doctor: UUID = DOCTOR) -> list[str]:
    path = f"/slots/explain?service_id={service}&doctor_id={doctor}&starts_at={format_instant(start)}"
    response = await clinic.http.get(path, headers=bearer(Role.PATIENT))
    return [reason["code"] for reason in response.json()["reasons"]]


async def test_a_group_fills_up_seat_by_seat_and_takes_the_doctor_once(clinic: RunningService) -> None:
    assert (await starts(clinic, GROUP))["08:00"] == 3
    for number, left in enumerate((2, 1), start=1):
        assert "code" not in await book(clinic, number, GROUP)
        assert await starts(clinic, GROUP) == {"08:00": left, "09:00": 3, "09:30": 3}
        assert list(await starts(clinic, CHECKUP)) == ["09:00", "09:30"]
    await book(clinic, 3, GROUP)
    assert "08:00" not in await starts(clinic, GROUP)
    assert await reasons(clinic, GROUP, NINE) == ["taken"]
    assert (await book(clinic, 4, GROUP))["code"] == "slot_taken"


async def test_the_release_of_the_last_seat_frees_the_doctor(clinic: RunningService) -> None:
    for number in (1, 2):
        await book(clinic, number, GROUP)
    await release(clinic, 1, 1)
    assert (await starts(clinic, GROUP))["08:00"] == 2
    assert "08:00" not in await starts(clinic, CHECKUP)
    await release(clinic, 2, 1)
    assert "08:00" in await starts(clinic, CHECKUP)
    assert "code" not in await book(clinic, 3, CHECKUP)


async def test_a_patient_may_move_from_one_group_to_another(clinic: RunningService) -> None:
    for number in (1, 2):
        await book(clinic, number, GROUP)
    await book(clinic, 3, GROUP, NINE + 2 * HALF)
    await book(clinic, 1, GROUP, NINE + 2 * HALF, revision=2)
    assert await starts(clinic, GROUP) == {"08:00": 2, "09:00": 1}


async def test_the_only_patient_of_a_group_may_move_over_its_time(clinic: RunningService) -> None:
    await book(clinic, 1, GROUP)
    assert await starts(clinic, GROUP, f"&exclude_appointment={UUID(int=1)}") == {"08:00": 3, "08:30": 3, "09:00": 3, "09:30": 3}
    assert "code" not in await book(clinic, 1, GROUP, NINE + HALF, revision=2)
    assert await starts(clinic, CHECKUP) == {"08:00": 1, "09:30": 1}


async def test_a_hold_keeps_a_seat(clinic: RunningService) -> None:
    for number in (1, 2):
        await book(clinic, number, GROUP)
    body = {"service_id": str(GROUP), "doctor_id": str(DOCTOR), "starts_at": format_instant(NINE)}
    held = await clinic.http.post("/holds", json=body, headers=bearer(Role.PATIENT, a_patient_id(3)))
    assert held.status_code == 201
    refused = await book(clinic, 4, GROUP)
    assert (refused["code"], refused["available_again_at"]) == ("slot_held", held.json()["expires_at"])
    assert "code" not in await book(clinic, 3, GROUP, hold_id=UUID(held.json()["id"]))
    assert (await book(clinic, 4, GROUP))["code"] == "slot_taken"


async def test_an_expired_hold_leaves_no_group(clinic: RunningService) -> None:
    body = {"service_id": str(GROUP), "doctor_id": str(DOCTOR), "starts_at": format_instant(NINE)}
    await clinic.http.post("/holds", json=body, headers=bearer(Role.PATIENT, a_patient_id(3)))
    assert "08:00" not in await starts(clinic, CHECKUP)
    clinic.clock.advance(timedelta(minutes=5))
    assert "08:00" in await starts(clinic, CHECKUP)
    assert "code" not in await book(clinic, 1, CHECKUP)


async def test_a_day_is_full_when_its_cap_is_reached(clinic: RunningService) -> None:
    for number in (1, 2):
        await book(clinic, number, CAPPED, NINE + number * HALF)
    assert await reasons(clinic, CAPPED, NINE) == ["daily_cap_reached"]
    assert await starts(clinic, CAPPED) == {}
    refused = await book(clinic, 3, CAPPED)
    assert (refused["code"], refused["reasons"][0]["code"]) == ("not_bookable", "daily_cap_reached")
    assert "code" not in await book(clinic, 1, CAPPED, NINE, revision=2)
    assert "code" not in await book(clinic, 4, CAPPED, NINE + timedelta(weeks=1))
    assert "08:00" not in await starts(clinic, CHECKUP)


async def test_caps_are_counted_by_the_dates_and_weeks_of_the_doctors_zone(clinic: RunningService) -> None:
    sunday = datetime(2026, 3, 15, 10, 0, tzinfo=UTC)  # 23:00 in Auckland, an hour before Monday
    for number, service in enumerate((CAPPED, WEEKLY)):
        for visit in range(2):
            await book(clinic, 10 * number + visit + 1, service, sunday + visit * HALF - timedelta(hours=3 * number), doctor_id=COLLEAGUE)
        assert await reasons(clinic, service, sunday - timedelta(hours=6), COLLEAGUE) == [
            "daily_cap_reached" if service == CAPPED else "weekly_cap_reached"
        ]
        assert await reasons(clinic, service, sunday + timedelta(hours=1), COLLEAGUE) == []


async def test_any_doctor_is_the_least_busy_one_and_then_the_first_by_id(clinic: RunningService) -> None:
    start = datetime(2026, 3, 9, 11, 0, tzinfo=UTC)  # noon in Berlin, midnight in Auckland
    first = await book(clinic, 1, CHECKUP, start, doctor_id=None)
    assert first["doctor_id"] == str(DOCTOR)
    assert (await book(clinic, 2, CHECKUP, start + HALF, doctor_id=None))["doctor_id"] == str(COLLEAGUE)
    assert (await book(clinic, 1, CHECKUP, start, doctor_id=None)) == first
    assert (await book(clinic, 3, CHECKUP, start, doctor_id=None))["doctor_id"] == str(COLLEAGUE)
    refused = await book(clinic, 4, CHECKUP, start, doctor_id=None)
    assert refused["code"] == "slot_taken"
    assert {alternative["doctor_id"] for alternative in refused["alternatives"]} == {str(DOCTOR), str(COLLEAGUE)}


async def test_any_doctor_is_refused_with_reasons_if_no_doctor_can_be_booked(clinic: RunningService) -> None:
    refused = await book(clinic, 1, CHECKUP, NINE + timedelta(minutes=1), doctor_id=None)
    assert (refused["code"], [reason["code"] for reason in refused["reasons"]]) == ("not_bookable", ["off_grid"])
