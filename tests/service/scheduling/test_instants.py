"""Instants with a fraction of a second mean their whole second, in every request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import APPOINTMENTS, DoctorService, a_clinic
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, PATIENT, a_doctor, a_reservation_request, a_service

ME = bearer(Role.PATIENT, PATIENT)


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()])) as clinic:
        yield clinic


async def explain(clinic: RunningService, start: str) -> list[str]:
    params = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": start}
    response = await clinic.http.get("/slots/explain", params=params, headers=ME)
    return [reason["code"] for reason in response.json()["reasons"]]


async def hold_time(clinic: RunningService, start: str) -> dict[str, Any]:
    body = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": start}
    response: dict[str, Any] = (await clinic.http.post("/holds", json=body, headers=ME)).json()
    return response


async def book(clinic: RunningService, start: str) -> dict[str, Any]:
    body = a_reservation_request().model_dump(mode="json") | {"starts_at": start}
    path = f"/internal/reservations/{UUID(int=1)}"
    response: dict[str, Any] = (await clinic.http.put(path, json=body, headers=APPOINTMENTS)).json()
    return response


@pytest.mark.parametrize("start", ["2026-03-09T08:00:00.7Z", "2026-03-09T09:00:00.999999+01:00", "2026-03-09T08:00:00.999999999Z"])
async def test_a_fraction_of_a_second_is_left_out(clinic: RunningService, start: str) -> None:
    assert await explain(clinic, start) == []
    assert (await hold_time(clinic, start))["starts_at"] == format_instant(NINE)
    assert (await book(clinic, start))["starts_at"] == format_instant(NINE)


async def test_an_instant_is_never_rounded_up(clinic: RunningService) -> None:
    just_before = "2026-03-09T07:59:59.999999Z"
    assert await explain(clinic, just_before) == ["outside_hours", "off_grid"]
    for refused in (await hold_time(clinic, just_before), await book(clinic, just_before)):
        assert [reason["code"] for reason in refused["reasons"]] == ["outside_hours", "off_grid"]


async def test_a_hold_with_a_fraction_serves_a_booking_with_another(clinic: RunningService) -> None:
    hold = await hold_time(clinic, "2026-03-09T08:00:00.7Z")
    body = a_reservation_request(hold_id=hold["id"]).model_dump(mode="json") | {"starts_at": "2026-03-09T08:00:00.2Z"}
    response = await clinic.http.put(f"/internal/reservations/{UUID(int=1)}", json=body, headers=APPOINTMENTS)
    assert (response.status_code, response.json()["starts_at"]) == (200, format_instant(NINE))


async def test_a_fraction_of_a_second_in_a_range_is_left_out(clinic: RunningService) -> None:
    query = f"/slots?service_id={CHECKUP}&from=2026-03-09T08:00:00.7Z&to=2026-03-09T08:30:00.9Z"
    assert [slot["starts_at"] for slot in (await clinic.http.get(query)).json()["items"]] == [format_instant(NINE)]
    first = (await clinic.http.get(f"/slots/earliest?service_id={CHECKUP}&from=2026-03-09T08:00:00.7Z&limit=1")).json()
    assert first["items"][0]["starts_at"] == format_instant(NINE)
