"""A hold that stands can be booked although the notice has begun meanwhile, and it ends at its own start at the latest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, PATIENT, a_doctor, a_service

NOTICE, MINUTE = timedelta(minutes=60), timedelta(minutes=1)
ME, SOMEONE = bearer(Role.PATIENT, PATIENT), bearer(Role.PATIENT, UUID(int=0xB))


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningService]:
    """A clinic whose service needs an hour's notice; it is a minute before the notice of nine o'clock begins."""
    services = [a_service(min_notice_minutes=60), a_service(id=UUID(int=0x52))]
    async with a_clinic(tmp_path, DoctorService([a_doctor(services=[service.id for service in services])], services)) as clinic:
        clinic.clock.set(NINE - NOTICE - MINUTE)
        yield clinic


async def hold(clinic: RunningService, service: UUID = CHECKUP, start: datetime = NINE) -> dict[str, Any]:
    body = {"service_id": str(service), "doctor_id": str(DOCTOR), "starts_at": format_instant(start)}
    response = await clinic.http.post("/holds", json=body, headers=ME)
    assert response.status_code == 201, response.text
    held: dict[str, Any] = response.json()
    return held


async def listed(clinic: RunningService, by: dict[str, str]) -> list[str]:
    path = f"/slots?service_id={CHECKUP}&from={format_instant(NINE)}&to={format_instant(NINE + MINUTE)}"
    return [item["starts_at"] for item in (await clinic.http.get(path, headers=by)).json()["items"]]


async def explained(clinic: RunningService, by: dict[str, str]) -> httpx.Response:
    return await clinic.http.get(f"/slots/explain?service_id={CHECKUP}&doctor_id={DOCTOR}&starts_at={format_instant(NINE)}", headers=by)


async def test_a_standing_hold_is_bookable_and_listed_within_the_notice(clinic: RunningService) -> None:
    held = await hold(clinic)
    clinic.clock.advance(3 * MINUTE)
    assert [await listed(clinic, by) for by in (ME, SOMEONE)] == [[held["starts_at"]], []]
    assert (await explained(clinic, ME)).json() == {"bookable": True, "reasons": []}
    assert [reason["code"] for reason in (await explained(clinic, SOMEONE)).json()["reasons"]] == ["too_soon", "held"]
    booked = await reserve(clinic, 1, hold_id=UUID(held["id"]))
    assert booked.status_code == 200, booked.text


async def test_a_hold_that_has_ended_no_longer_lifts_the_notice(clinic: RunningService) -> None:
    await hold(clinic)
    clinic.clock.advance(6 * MINUTE)
    refused = await reserve(clinic, 1)
    assert [reason["code"] for reason in refused.json()["reasons"]] == ["too_soon"]


async def test_a_hold_ends_at_its_start_also_when_it_is_extended(clinic: RunningService) -> None:
    clinic.clock.set(NINE - 7 * MINUTE)
    first = await hold(clinic, UUID(int=0x52))
    assert first["expires_at"] == format_instant(NINE - 2 * MINUTE)
    extended = (await clinic.http.post(f"/holds/{first['id']}/extend", headers=ME)).json()
    assert extended["expires_at"] == format_instant(NINE)
    clinic.clock.set(NINE - 2 * MINUTE)
    second = await hold(clinic, UUID(int=0x52))
    assert (second["starts_at"], second["expires_at"]) == (format_instant(NINE), format_instant(NINE))
