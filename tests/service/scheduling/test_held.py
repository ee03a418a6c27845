"""Held time: what its owner can book, and when it is available to others again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

LONG, GROUP = UUID(int=0x51), UUID(int=0x52)
ALL = [CHECKUP, LONG, GROUP]
ME, FIRST, LAST = (UUID(int=0xA1 + number) for number in range(3))
MINUTE, QUARTER, HALF, FIVE = (timedelta(minutes=minutes) for minutes in (1, 15, 30, 5))
PART = timedelta(milliseconds=700)


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    services = [a_service(), a_service(id=LONG, duration_minutes=60), a_service(id=GROUP, capacity=3, slot_step_minutes=15)]
    doctors = [a_doctor(services=ALL), a_doctor(id=COLLEAGUE, services=ALL)]
    async with a_clinic(tmp_path, DoctorService(doctors, services)) as clinic:
        yield clinic


async def hold(clinic: RunningService, by: UUID, service: UUID = CHECKUP, start: datetime = NINE, doctor: UUID = DOCTOR) -> dict[str, Any]:
    request = {"service_id": str(service), "doctor_id": str(doctor), "starts_at": format_instant(start)}
    body: dict[str, Any] = (await clinic.http.post("/holds", json=request, headers=bearer(Role.PATIENT, by))).json()
    return body


async def hold_one_after_the_other(clinic: RunningService, service: UUID, *starts: datetime) -> list[str]:
    """Hold times for two owners, a minute apart, and return when the holds end."""
    until = []
    for owner, start in zip((FIRST, LAST), starts, strict=True):
        until.append((await hold(clinic, owner, service, start))["expires_at"])
        clinic.clock.advance(MINUTE)
    return until


async def book(clinic: RunningService, number: int, service: UUID = CHECKUP, start: datetime = NINE, **request: Any) -> dict[str, Any]:
    patient = request.pop("patient_id", UUID(int=0xAA00 + number))
    body: dict[str, Any] = (await reserve(clinic, number, patient_id=patient, service_id=service, starts_at=start, **request)).json()
    return body


async def available_again_at(clinic: RunningService, service: UUID, start: datetime = NINE, **request: Any) -> str:
    """Return the end of the holds with which a booking is refused."""
    refused = await book(clinic, 99, service, start, **request)
    assert refused["code"] == "slot_held"
    return str(refused["available_again_at"])


async def free_places(clinic: RunningService, by: UUID, service: UUID) -> tuple[int, bool]:
    """Return the number of free places at nine, and whether the caller holds one of them."""
    path = f"/slots?service_id={service}&doctor_id={DOCTOR}&from={format_instant(NINE)}&to={format_instant(NINE + FIVE)}"
    (slot,) = (await clinic.http.get(path, headers=bearer(Role.PATIENT, by))).json()["items"]
    return slot["remaining"], slot["held_by_you"]


async def explain(clinic: RunningService, service: UUID, start: datetime = NINE) -> list[str]:
    path = f"/slots/explain?service_id={service}&doctor_id={DOCTOR}&starts_at={format_instant(start)}"
    reasons = (await clinic.http.get(path, headers=bearer(Role.PATIENT, ME))).json()["reasons"]
    return [reason["code"] for reason in reasons]


async def test_a_held_time_is_marked_in_the_list_of_its_own_service_alone(clinic: RunningService) -> None:
    await hold(clinic, ME)
    assert await free_places(clinic, ME, CHECKUP) == (1, True)
    assert await free_places(clinic, ME, LONG) == (1, False)


async def test_a_held_seat_is_marked_for_its_owner_alone(clinic: RunningService) -> None:
    await hold(clinic, FIRST, GROUP)
    assert await free_places(clinic, FIRST, GROUP) == (3, True)
    assert await free_places(clinic, ME, GROUP) == (2, False)


async def test_a_time_under_several_holds_is_available_when_the_last_has_ended(clinic: RunningService) -> None:
    _, last = await hold_one_after_the_other(clinic, CHECKUP, NINE, NINE + HALF)
    assert await available_again_at(clinic, LONG) == last
    clinic.clock.set(datetime.fromisoformat(last) - MINUTE)
    assert await available_again_at(clinic, LONG) == last
    clinic.clock.advance(MINUTE)
    assert "code" not in await book(clinic, 1, LONG)


async def test_a_held_group_is_available_when_the_first_hold_has_ended(clinic: RunningService) -> None:
    await book(clinic, 1, GROUP)
    first, _ = await hold_one_after_the_other(clinic, GROUP, NINE, NINE)
    assert await available_again_at(clinic, GROUP) == first
    clinic.clock.set(datetime.fromisoformat(first))
    assert "code" not in await book(clinic, 2, GROUP)


async def test_any_doctor_is_available_when_the_first_doctor_is_no_longer_held(clinic: RunningService) -> None:
    await book(clinic, 1, start=NINE + HALF)
    await hold(clinic, FIRST)
    clinic.clock.advance(MINUTE)
    colleague_hold = await hold(clinic, LAST, doctor=COLLEAGUE)
    assert await available_again_at(clinic, LONG, doctor_id=None) == colleague_hold["expires_at"]
    assert await available_again_at(clinic, CHECKUP, doctor_id=None) == format_instant(NOON + FIVE)


async def test_a_hold_ends_at_the_second_that_was_returned(clinic: RunningService) -> None:
    clinic.clock.set(NOON + PART)
    assert (await hold(clinic, FIRST))["expires_at"] == format_instant(NOON + FIVE) == await available_again_at(clinic, CHECKUP)
    clinic.clock.set(NOON + FIVE)
    assert "code" not in await book(clinic, 1)


async def test_an_extended_hold_ends_at_the_second_that_was_returned(clinic: RunningService) -> None:
    clinic.clock.set(NOON + PART)
    path = f"/holds/{(await hold(clinic, FIRST))['id']}/extend"
    extended = (await clinic.http.post(path, headers=bearer(Role.PATIENT, FIRST))).json()
    assert extended["expires_at"] == format_instant(NOON + 2 * FIVE)
    clinic.clock.set(NOON + 2 * FIVE)
    assert "code" not in await book(clinic, 1)


OVERLAPPING = pytest.mark.parametrize(("service", "start"), [(CHECKUP, NINE), (LONG, NINE), (GROUP, NINE + QUARTER)])


@OVERLAPPING
async def test_a_group_with_only_held_seats_counts_as_held_until_the_last_hold_has_ended(
    clinic: RunningService, service: UUID, start: datetime
) -> None:
    _, last = await hold_one_after_the_other(clinic, GROUP, NINE, NINE)
    assert await explain(clinic, service, start) == ["held"]
    assert await available_again_at(clinic, service, start) == last
    clinic.clock.set(datetime.fromisoformat(last))
    assert await explain(clinic, service, start) == []
    assert "code" not in await book(clinic, 1, service, start)


@OVERLAPPING
async def test_a_group_with_a_booked_seat_counts_as_taken(clinic: RunningService, service: UUID, start: datetime) -> None:
    await hold(clinic, FIRST, GROUP)
    await book(clinic, 1, GROUP)
    assert await explain(clinic, service, start) == ["taken"]
    assert (await book(clinic, 2, service, start))["code"] == "slot_taken"


async def test_any_doctor_is_the_one_whose_time_the_booker_holds(clinic: RunningService) -> None:
    await book(clinic, 1, start=NINE + 4 * HALF, doctor_id=COLLEAGUE)
    held = await hold(clinic, ME, doctor=COLLEAGUE)
    assert (await book(clinic, 2, patient_id=ME, doctor_id=None))["doctor_id"] == str(COLLEAGUE)
    assert (await clinic.http.get(f"/holds/{held['id']}", headers=bearer(Role.PATIENT, ME))).status_code == 404


async def test_any_doctor_is_not_the_one_whose_time_is_held_for_another_service(clinic: RunningService) -> None:
    held = await hold(clinic, ME, LONG, doctor=COLLEAGUE)
    assert (await book(clinic, 1, patient_id=ME, doctor_id=None))["doctor_id"] == str(DOCTOR)
    assert (await clinic.http.get(f"/holds/{held['id']}", headers=bearer(Role.PATIENT, ME))).status_code == 200


async def test_any_doctors_group_is_the_one_in_which_the_booker_holds_a_seat(clinic: RunningService) -> None:
    held = await hold(clinic, ME, GROUP, doctor=COLLEAGUE)
    assert (await book(clinic, 1, GROUP, patient_id=ME, doctor_id=None))["doctor_id"] == str(COLLEAGUE)
    assert (await clinic.http.get(f"/holds/{held['id']}", headers=bearer(Role.PATIENT, ME))).status_code == 404
