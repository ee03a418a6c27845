"""What admin-service reads for the reports: the minutes that doctors offer, and the next free appointments of services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer, service_bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, a_doctor, a_service

ADMIN_SERVICE = service_bearer("admin-service")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RETIRED = UUID(int=0xE1)


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    doctors = [a_doctor(), a_doctor(id=COLLEAGUE, services=[])]
    services = [a_service(specialty="Cardiology"), a_service(id=RETIRED, active=False)]
    async with a_clinic(tmp_path, DoctorService(doctors, services), database_url=sql_url) as clinic:
        yield clinic


async def list_all(clinic: RunningService, path: str, **query: Any) -> list[dict[str, Any]]:
    """Return the items of all pages of one item each."""
    items, after = [], None
    while True:
        params = query | ({"after": after} if after else {})
        response = await clinic.http.get(f"/internal/{path}", params=params | {"limit": 1}, headers=ADMIN_SERVICE)
        assert response.status_code == 200, response.text
        items += response.json()["items"]
        if (after := response.json()["next"]) is None:
            return items


async def offered(clinic: RunningService, unit: str, begins: datetime = NINE, ends: datetime = NINE + DAY) -> dict[str, dict[str, int]]:
    """Return the minutes by doctor."""
    bounds = {"from": format_instant(begins), "to": format_instant(ends), "time_zone": "UTC", "unit": unit}
    return {item["doctor_id"]: item["minutes"] for item in await list_all(clinic, "offered-time", **bounds)}


async def test_closures_take_from_the_offered_minutes_of_all_doctors(clinic: RunningService) -> None:
    before = await offered(clinic, "total")
    assert before.keys() == {str(DOCTOR), str(COLLEAGUE)}
    body = {"from": format_instant(NINE), "to": format_instant(NINE + 2 * HOUR), "reason": "Holiday"}
    assert (await clinic.http.post("/admin/closures", json=body, headers=bearer(Role.ADMIN))).status_code == 201
    await clinic.run_until_idle()
    after = await offered(clinic, "total")
    assert {doctor: minutes["total"] - after[doctor]["total"] for doctor, minutes in before.items()} == {
        str(DOCTOR): 120,
        str(COLLEAGUE): 120,
    }
    hours = (await offered(clinic, "hour"))[str(DOCTOR)]
    assert f"{NINE.hour:02}" not in hours
    assert sum(hours.values()) == after[str(DOCTOR)]["total"]


async def test_the_next_appointments_do_not_overlap_and_leave_out_what_is_taken(clinic: RunningService) -> None:
    (first,) = await list_all(clinic, "available-appointments", count=3)
    assert (first["service_id"], first["specialty"]) == (str(CHECKUP), "Cardiology")
    assert first["doctors"] == [{"doctor_id": str(DOCTOR), "starts": first["starts"]}], "the colleague does not offer it"
    starts = list(map(datetime.fromisoformat, first["starts"]))
    duration = timedelta(minutes=a_service().duration_minutes)
    assert len(starts) == 3
    assert all(later - earlier >= duration for earlier, later in pairwise(starts))
    assert (await reserve(clinic, 1, starts_at=starts[0])).status_code == 200
    (second,) = await list_all(clinic, "available-appointments", count=1)
    assert (second["starts"], second["doctors"]) == ([format_instant(starts[1])], [])


async def test_a_range_is_bounded_and_only_admin_service_asks(clinic: RunningService) -> None:
    query = {"from": format_instant(NINE), "to": format_instant(NINE + 367 * DAY), "time_zone": "UTC", "unit": "day"}
    refused = await clinic.http.get("/internal/offered-time", params=query, headers=ADMIN_SERVICE)
    assert (refused.status_code, refused.json()["code"]) == (422, "range_too_long")
    for path in ("/internal/offered-time", "/internal/available-appointments"):
        for caller in (service_bearer("appointment-service"), bearer(Role.ADMIN)):
            assert (await clinic.http.get(path, params=query, headers=caller)).status_code == 403
