"""What doctor-service asks the calendar for after a change of its rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from scheduling_svc.domain.claims import Claim
from scheduling_svc.usecases.rule_changes import RuleChanges
from shared.contracts.http import DateOverride
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.running import RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, release, reserve
from tests.tokens import bearer, service_bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, a_doctor, a_service

DOCTOR_SERVICE = service_bearer("doctor-service")
DAY = f"/slots?service_id={CHECKUP}&from=2026-03-09T00:00:00Z&to=2026-03-10T00:00:00Z"
GROUP = UUID(int=0x61)
HOUR = timedelta(hours=1)
SERVICES = [a_service(), a_service(id=GROUP, capacity=3)]


@pytest.fixture
def doctor_service() -> DoctorService:
    return DoctorService([a_doctor(services=[CHECKUP, GROUP])], list(SERVICES))


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str, doctor_service: DoctorService) -> AsyncIterator[RunningService]:
    async with a_clinic(tmp_path, doctor_service, database_url=sql_url) as clinic:
        yield clinic


async def list_outside(clinic: RunningService, version: int) -> httpx.Response:
    return await clinic.http.get(f"/internal/doctors/{DOCTOR}/visits-outside-hours?version={version}", headers=DOCTOR_SERVICE)


async def follow(clinic: RunningService, path: str, version: int, **headers: str) -> httpx.Response:
    return await clinic.http.put(f"/internal/{path}/rules", json={"version": version}, headers=headers or DOCTOR_SERVICE)


async def count_slots(clinic: RunningService) -> int:
    return len((await clinic.http.get(DAY)).json()["items"])


async def test_the_visits_of_a_day_off_are_listed_each_seat_of_a_group_included(
    clinic: RunningService, doctor_service: DoctorService
) -> None:
    patients: list[dict[str, Any]] = [{"patient_id": UUID(int=0xAA00 + number)} for number in range(6)]
    await reserve(clinic, 1, starts_at=NINE + 3 * HOUR, **patients[1])
    for number in (2, 3):
        assert (await reserve(clinic, number, service_id=GROUP, starts_at=NINE + HOUR, **patients[number])).status_code == 200
    await reserve(clinic, 4, starts_at=NINE + 5 * HOUR, **patients[4])
    await reserve(clinic, 5, starts_at=NINE + timedelta(days=7), **patients[5])
    await release(clinic, 4, 2)
    assert (await list_outside(clinic, 1)).json() == {"items": [], "complete": True}
    doctor_service.doctors = [a_doctor(version=2, overrides=[DateOverride(id=UUID(int=1), date=NINE.date(), windows=[])])]
    assert (await list_outside(clinic, 2)).json() == {
        "items": [
            {"appointment_id": str(UUID(int=number)), "starts_at": format_instant(start)}
            for number, start in ((2, NINE + HOUR), (3, NINE + HOUR), (1, NINE + 3 * HOUR))
        ],
        "complete": True,
    }
    assert await count_slots(clinic) == 0, "the free times follow the same rules"


async def test_a_page_continues_after_the_claim_before_it(clinic: RunningService) -> None:
    for number in (3, 1, 2):
        reserved = await reserve(clinic, number, service_id=GROUP, patient_id=UUID(int=0xAA00 + number))
        assert reserved.status_code == 200
    await reserve(clinic, 4, starts_at=NINE + HOUR, patient_id=UUID(int=0xAA04))
    store = clinic.app.state.use_cases[RuleChanges].store
    async with store.read() as calendar:
        seen: list[Claim] = []
        while page := await calendar.list_upcoming_claims(DOCTOR, clinic.clock(), 1, seen[-1] if seen else None):
            seen += page
    assert [claim.id.int for claim in seen] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("path", "newer"),
    [
        (f"doctors/{DOCTOR}", {"doctors": [a_doctor(version=2, weekly=[])]}),
        (f"services/{CHECKUP}", {"services": [a_service(version=2, active=False)]}),
    ],
)
async def test_free_times_follow_a_change_that_doctor_service_has_told(
    clinic: RunningService, doctor_service: DoctorService, path: str, newer: dict[str, Any]
) -> None:
    assert await count_slots(clinic) > 0
    vars(doctor_service).update(newer)
    for _ in range(2):
        assert (await follow(clinic, path, 2)).status_code == 204
        assert await count_slots(clinic) == 0
    doctor_service.requested.clear()
    assert (await follow(clinic, path, 1)).status_code == 204
    assert doctor_service.requested == [], "rules that are new enough are not fetched again"


async def test_without_the_newer_rules_no_answer_is_given(clinic: RunningService, doctor_service: DoctorService) -> None:
    doctor_service.down = True
    assert (await list_outside(clinic, 2)).status_code == 503
    assert (await follow(clinic, f"doctors/{DOCTOR}", 2)).status_code == 503
    assert (await list_outside(clinic, 1)).status_code == 200


async def test_an_unknown_doctor_or_service_is_refused(clinic: RunningService) -> None:
    assert (await follow(clinic, f"doctors/{UUID(int=9)}", 1)).json()["code"] == "unknown_doctor"
    assert (await follow(clinic, f"services/{UUID(int=9)}", 1)).json()["code"] == "unknown_service"


@pytest.mark.parametrize(
    "caller", [bearer(Role.ADMIN), bearer(Role.DOCTOR, DOCTOR), service_bearer("appointment-service"), service_bearer("admin-service")]
)
async def test_only_doctor_service_asks(clinic: RunningService, caller: dict[str, str]) -> None:
    assert (await follow(clinic, f"doctors/{DOCTOR}", 1, **caller)).status_code == 403
    assert (await follow(clinic, f"services/{CHECKUP}", 1, **caller)).status_code == 403
    path = f"/internal/doctors/{DOCTOR}/visits-outside-hours?version=1"
    assert (await clinic.http.get(path, headers=caller)).status_code == 403
    assert (await clinic.http.get(path)).status_code == 401
