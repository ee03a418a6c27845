"""The length of a visit is agreed at the booking: a later change of the service type reaches neither a move, a restore nor a leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.events import ServiceChanged
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import APPOINTMENTS, DoctorService, a_clinic, release, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, PATIENT, a_doctor, a_service

HOUR, HALF = timedelta(hours=1), timedelta(minutes=30)
SELF, ME = bearer(Role.DOCTOR, DOCTOR), bearer(Role.PATIENT, PATIENT)


@pytest.fixture(params=[60, 15])
async def clinic(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[RunningService]:
    """A clinic with a visit of half an hour at nine, whose service type takes longer, or shorter, since then."""
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()])) as clinic:
        assert (await reserve(clinic, 1)).status_code == 200
        rules = a_service(duration_minutes=request.param, version=2)
        event = ServiceChanged(id=UUID(int=0xE), occurred_at=NOON, version=2, service_id=CHECKUP, rules=rules)
        await clinic.publish_event(event)
        yield clinic


async def length(clinic: RunningService, number: int = 1) -> timedelta:
    response = await clinic.http.get(f"/internal/reservations/{UUID(int=number)}", headers=APPOINTMENTS)
    reservation: dict[str, Any] = response.json()
    assert reservation["live"]
    return datetime.fromisoformat(reservation["ends_at"]) - datetime.fromisoformat(reservation["starts_at"])


async def test_a_move_and_a_restore_keep_the_agreed_length(clinic: RunningService) -> None:
    assert (await reserve(clinic, 1, starts_at=NINE + HOUR, revision=2, duration_minutes=30)).status_code == 200
    assert await length(clinic) == HALF
    await release(clinic, 1, 3)
    assert (await reserve(clinic, 1, starts_at=NINE + HOUR, revision=4, duration_minutes=30)).status_code == 200
    assert await length(clinic) == HALF
    assert (await reserve(clinic, 2, patient_id=UUID(int=0xB), starts_at=NINE + HOUR + HALF, duration_minutes=30)).status_code == 200


async def test_a_leave_moves_a_visit_with_its_agreed_length(clinic: RunningService) -> None:
    leave = {"starts_at": format_instant(NINE), "ends_at": format_instant(NINE + HOUR), "reason": "Ill"}
    times = {name: leave[name] for name in ("starts_at", "ends_at")}
    (affected,) = (await clinic.http.post(f"/doctors/{DOCTOR}/leaves/preview", json=times, headers=SELF)).json()["affected"]
    decision = {"appointment_id": affected["appointment_id"], "action": "move", **affected["proposals"][-1]}
    taken = await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=leave | {"affected": [decision]}, headers=SELF)
    assert taken.status_code == 201, taken.text
    assert await length(clinic) == HALF


async def test_the_times_for_a_move_are_those_at_which_the_agreed_length_fits(clinic: RunningService) -> None:
    last = NINE + 7 * HOUR + HALF  # half an hour before the doctor goes home
    path = f"/slots?service_id={CHECKUP}&exclude_appointment={UUID(int=1)}&from={format_instant(last)}&to={format_instant(last + HALF)}"
    (slot,) = (await clinic.http.get(path, headers=ME)).json()["items"]
    assert (slot["starts_at"], slot["ends_at"]) == (format_instant(last), format_instant(last + HALF))
    assert (await reserve(clinic, 1, starts_at=last, revision=2, duration_minutes=30)).status_code == 200
