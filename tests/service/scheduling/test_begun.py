"""Visits that have begun: a leave does not affect them, and their claims may overlap others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from scheduling_svc.usecases.reservations import Reservations
from shared.contracts.events import AppointmentCheckedIn, AppointmentCompleted, AppointmentEvent, AppointmentStarted
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import APPOINTMENTS, DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

GROUP = UUID(int=0x61)
HALF = timedelta(minutes=30)
SELF = bearer(Role.DOCTOR, DOCTOR)
MORNING = {"starts_at": format_instant(NINE), "ends_at": format_instant(NINE + 6 * HALF)}
BEGINNINGS = [AppointmentCheckedIn, AppointmentStarted, AppointmentCompleted]


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """A clinic with two appointments in the morning."""
    doctors = [a_doctor(services=[CHECKUP, GROUP]), a_doctor(id=COLLEAGUE)]
    rules = DoctorService(doctors, [a_service(), a_service(id=GROUP, capacity=2)])
    async with a_clinic(tmp_path, rules, database_url=sql_url) as clinic:
        for number in (1, 2):
            assert (await book(clinic, number, NINE + (number - 1) * HALF)).status_code == 200
        yield clinic


async def book(clinic: RunningService, number: int, start: datetime = NINE, **request: Any) -> httpx.Response:
    return await reserve(clinic, number, **{"patient_id": UUID(int=0xAA00 + number), "starts_at": start} | request)


async def affected(clinic: RunningService) -> list[int]:
    response = await clinic.http.post(f"/doctors/{DOCTOR}/leaves/preview", json=MORNING, headers=SELF)
    return [UUID(item["appointment_id"]).int for item in response.json()["affected"]]


async def take(clinic: RunningService, *cancelled: int) -> httpx.Response:
    decisions = [{"appointment_id": str(UUID(int=number)), "action": "cancel"} for number in cancelled]
    return await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json={**MORNING, "reason": "Ill", "affected": decisions}, headers=SELF)


async def is_live(clinic: RunningService, number: int) -> bool:
    return bool((await clinic.http.get(f"/internal/reservations/{UUID(int=number)}", headers=APPOINTMENTS)).json()["live"])


def code(requested: httpx.Response) -> str | None:
    """Return the code of a refusal, or None if the request was granted."""
    return None if requested.status_code == 200 else str(requested.json()["code"])


def begun_event(kind: type[AppointmentEvent], number: int) -> AppointmentEvent:
    return kind(
        id=UUID(int=0xE0 + number),
        occurred_at=NOON,
        appointment_id=UUID(int=number),
        version=2,
        sequence=0,
        status="checked_in",
        service_id=CHECKUP,
        doctor_id=DOCTOR,
        patient_id=UUID(int=0xAA00 + number),
        starts_at=NINE,
        ends_at=NINE + HALF,
        time_zone="Europe/Berlin",
        actor=Actor(id=DOCTOR, role=Role.DOCTOR),
    )


async def test_a_leave_does_not_affect_a_visit_whose_start_is_past(clinic: RunningService) -> None:
    clinic.clock.set(NINE)
    assert await affected(clinic) == [1, 2]
    clinic.clock.set(NINE + timedelta(seconds=1))
    assert await affected(clinic) == [2]
    assert (await take(clinic, 1, 2)).json()["code"] == "affected_changed"
    assert (await take(clinic, 2)).status_code == 201
    assert [await is_live(clinic, number) for number in (1, 2)] == [True, False]


@pytest.mark.parametrize("kind", BEGINNINGS)
async def test_a_leave_does_not_affect_a_visit_that_began_early(clinic: RunningService, kind: type[AppointmentEvent]) -> None:
    await clinic.publish_event(begun_event(kind, 1))
    assert await affected(clinic) == [2]
    assert (await take(clinic, 2)).status_code == 201
    assert [await is_live(clinic, number) for number in (1, 2)] == [True, False]


async def test_a_begun_visit_stays_begun_when_its_request_is_repeated_with_a_higher_revision(clinic: RunningService) -> None:
    await clinic.publish_event(begun_event(AppointmentCheckedIn, 1))
    assert (await book(clinic, 1, revision=2)).status_code == 200
    assert await affected(clinic) == [2]


@pytest.mark.parametrize("is_late", [False, True])
async def test_an_undone_check_in_also_undoes_that_the_visit_has_begun_even_if_its_event_comes_late(
    clinic: RunningService, is_late: bool
) -> None:
    checked_in = begun_event(AppointmentCheckedIn, 1)
    if not is_late:
        await clinic.publish_event(checked_in)
        assert await affected(clinic) == [2]
    assert (await book(clinic, 1, revision=2, appointment_version=checked_in.version)).status_code == 200
    if is_late:
        await clinic.publish_event(checked_in)
    assert await affected(clinic) == [1, 2]
    again = begun_event(AppointmentStarted, 1).model_copy(update={"id": UUID(int=0xEE), "version": checked_in.version + 2})
    await clinic.publish_event(again)
    assert await affected(clinic) == [2]


async def test_an_event_that_is_delivered_twice_takes_effect_once(clinic: RunningService) -> None:
    for _ in range(2):
        await clinic.publish_event(begun_event(AppointmentCheckedIn, 1))
        assert (await book(clinic, 1, NINE + 2 * HALF, revision=2)).status_code == 200
    assert await affected(clinic) == [2, 1]


async def test_an_event_about_an_unknown_appointment_changes_nothing(clinic: RunningService) -> None:
    await clinic.app.state.use_cases[Reservations].follow_appointment(begun_event(AppointmentCheckedIn, 9))
    assert await affected(clinic) == [1, 2]
    assert code(await book(clinic, 9, NINE + 2 * HALF)) is None


async def test_a_begun_visit_can_reserve_time_in_a_leave(clinic: RunningService) -> None:
    await take(clinic, 1, 2)
    assert code(await book(clinic, 3)) == "not_bookable"
    assert code(await book(clinic, 3, begun=True)) is None
    assert await is_live(clinic, 3)
    await release(clinic, 3, 2)
    assert code(await book(clinic, 4)) == "not_bookable"


async def test_a_begun_visit_can_reserve_time_that_others_keep(clinic: RunningService) -> None:
    assert code(await book(clinic, 3)) == "slot_taken"
    assert code(await book(clinic, 3, begun=True)) is None
    assert [await is_live(clinic, number) for number in (1, 3)] == [True, True]
    await release(clinic, 1, 2)
    assert code(await book(clinic, 4)) == "slot_taken"
    await release(clinic, 3, 2)
    assert code(await book(clinic, 4)) is None


async def test_a_begun_visit_can_reserve_time_in_which_its_patient_is_busy(clinic: RunningService) -> None:
    elsewhere: dict[str, Any] = {"doctor_id": COLLEAGUE, "patient_id": UUID(int=0xAA01)}
    assert code(await book(clinic, 3, **elsewhere)) == "patient_busy"
    assert code(await book(clinic, 3, **elsewhere, begun=True)) is None
    assert [await is_live(clinic, number) for number in (1, 3)] == [True, True]


async def test_a_begun_visit_takes_no_seat_of_a_group(clinic: RunningService) -> None:
    later = NINE + 4 * HALF
    for number in (3, 4):
        assert code(await book(clinic, number, later, service_id=GROUP)) is None
    assert code(await book(clinic, 5, later, service_id=GROUP)) == "slot_taken"
    assert code(await book(clinic, 5, later, service_id=GROUP, begun=True)) is None
    await release(clinic, 5, 2)
    assert code(await book(clinic, 6, later, service_id=GROUP)) == "slot_taken"
    await release(clinic, 4, 2)
    assert code(await book(clinic, 6, later, service_id=GROUP)) is None


async def test_a_leave_does_not_affect_a_visit_that_was_reserved_as_begun(clinic: RunningService) -> None:
    await book(clinic, 3, NINE + 2 * HALF, begun=True)
    assert await affected(clinic) == [1, 2]
