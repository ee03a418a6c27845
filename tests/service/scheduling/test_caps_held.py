"""Caps and own holds: a hold does not prevent its owner from booking another time, and is removed if both would exceed a cap."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.http import WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

ONE_A_DAY, TWO_A_DAY, ONE_GROUP, ONE_GROUP_A_WEEK = (UUID(int=0x71 + number) for number in range(4))
ALL = [ONE_A_DAY, TWO_A_DAY, ONE_GROUP, ONE_GROUP_A_WEEK]
ME, OTHER, THIRD = (UUID(int=0xA1 + number) for number in range(3))
EVERY_DAY = [WeeklyWindow(weekday=day, start="08:00", end="20:00") for day in range(1, 8)]
TEN, TOMORROW = NINE + timedelta(hours=1), NINE + timedelta(days=1)


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    services = [
        a_service(id=ONE_A_DAY, daily_cap=1),
        a_service(id=TWO_A_DAY, daily_cap=2),
        a_service(id=ONE_GROUP, capacity=3, daily_cap=1),
        a_service(id=ONE_GROUP_A_WEEK, capacity=3, weekly_cap=1),
    ]
    doctors = [a_doctor(id=doctor_id, services=ALL, weekly=EVERY_DAY) for doctor_id in (DOCTOR, COLLEAGUE)]
    async with a_clinic(tmp_path, DoctorService(doctors, services), database_url=sql_url) as clinic:
        yield clinic


async def hold(clinic: RunningService, by: UUID, service: UUID, start: datetime, doctor: UUID = DOCTOR) -> str:
    request = {"service_id": str(service), "doctor_id": str(doctor), "starts_at": format_instant(start)}
    response = await clinic.http.post("/holds", json=request, headers=bearer(Role.PATIENT, by))
    assert response.status_code == 201
    return str(response.json()["id"])


async def book(clinic: RunningService, number: int, by: UUID, service: UUID, start: datetime, **request: Any) -> str:
    """Return the code of the refusal with its first reason, or `granted`."""
    response = (await reserve(clinic, number, patient_id=by, service_id=service, starts_at=start, **request)).json()
    return " ".join([response["code"], *(reason["code"] for reason in response.get("reasons", []))]) if "code" in response else "granted"


@pytest.mark.parametrize("service", [ONE_A_DAY, ONE_GROUP, ONE_GROUP_A_WEEK])
async def test_a_booking_removes_its_owners_hold_of_another_time_if_both_exceed_a_cap(clinic: RunningService, service: UUID) -> None:
    held = await hold(clinic, ME, service, TEN)
    assert await book(clinic, 1, ME, service, NINE) == "granted"
    assert (await clinic.http.get(f"/holds/{held}", headers=bearer(Role.PATIENT, ME))).status_code == 404
    cap = "weekly_cap_reached" if service == ONE_GROUP_A_WEEK else "daily_cap_reached"
    assert await book(clinic, 2, OTHER, service, TEN) == f"not_bookable {cap}"
    assert await book(clinic, 3, ME, service, TEN, hold_id=held) == "hold_expired"


async def test_a_move_removes_its_owners_hold_of_another_time_if_both_exceed_a_cap(clinic: RunningService) -> None:
    assert await book(clinic, 1, ME, ONE_GROUP, TOMORROW) == "granted"
    await hold(clinic, ME, ONE_GROUP, TEN)
    assert await book(clinic, 1, ME, ONE_GROUP, NINE, revision=2) == "granted"
    assert await book(clinic, 2, OTHER, ONE_GROUP, TEN) == "not_bookable daily_cap_reached"


async def test_a_booking_does_not_remove_the_hold_of_another_patient(clinic: RunningService) -> None:
    """The cap is two a day, and the hold of the other patient counts as one of them."""
    await hold(clinic, ME, TWO_A_DAY, TEN)
    other_hold = await hold(clinic, OTHER, TWO_A_DAY, TEN + timedelta(hours=1))
    assert await book(clinic, 1, ME, TWO_A_DAY, NINE) == "granted"
    assert await book(clinic, 2, OTHER, TWO_A_DAY, TEN + timedelta(hours=1), hold_id=other_hold) == "granted"


@pytest.mark.parametrize(
    ("service", "start", "doctor"),
    [(TWO_A_DAY, TEN, DOCTOR), (ONE_A_DAY, TOMORROW, DOCTOR), (ONE_A_DAY, TEN, COLLEAGUE), (ONE_GROUP, TOMORROW, DOCTOR)],
)
async def test_a_hold_that_does_not_exceed_a_cap_stays(clinic: RunningService, service: UUID, start: datetime, doctor: UUID) -> None:
    """A parent may book for one child while a time is held for the other."""
    held = await hold(clinic, ME, service, start, doctor)
    assert await book(clinic, 1, ME, service, NINE) == "granted"
    assert await book(clinic, 2, ME, service, start, doctor_id=doctor, hold_id=held) == "granted"


async def test_a_held_seat_in_a_group_with_booked_seats_does_not_exceed_a_cap(clinic: RunningService) -> None:
    assert await book(clinic, 1, OTHER, ONE_GROUP, NINE) == "granted"
    held = await hold(clinic, ME, ONE_GROUP, NINE)
    assert await book(clinic, 2, THIRD, ONE_GROUP, NINE) == "granted"
    assert await book(clinic, 3, ME, ONE_GROUP, NINE, hold_id=held) == "granted"
