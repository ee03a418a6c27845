"""After the erasure of a patient the subscription link has ended, held time is free, and what is left has ids and times only."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from scheduling_svc.repository.tables import CLAIMS, FEEDS, INFRASTRUCTURE, LOCKS
from shared.contracts.events import PatientErased
from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, reserve
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, PATIENT, a_doctor, a_service

OTHER, GROUP = UUID(int=0xB), UUID(int=0x52)
REPORTS = f"/internal/erasures/{UUID(int=9)}/reports"


class RulesAndReports:
    """doctor-service, and the reports that patient-service was sent."""

    def __init__(self) -> None:
        self.rules = DoctorService([a_doctor(services=[CHECKUP, GROUP])], [a_service(), a_service(id=GROUP, capacity=2)])
        self.reports: list[object] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == REPORTS:
            self.reports.append(json.loads(request.content))
            return httpx.Response(204)
        return self.rules(request)


@pytest.fixture
def others() -> RulesAndReports:
    return RulesAndReports()


@pytest.fixture
async def clinic(tmp_path: Path, others: RulesAndReports, sql_url: str) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB."""
    async with a_clinic(tmp_path, others, database_url=sql_url) as clinic:
        yield clinic


async def subscribe(clinic: RunningService, account_id: UUID) -> str:
    """Return the path of a new link."""
    response = await clinic.http.post("/calendar/feed", headers=bearer(Role.PATIENT, account_id))
    assert response.status_code == 201, response.text
    return httpx.URL(response.json()["url"]).path


async def hold(clinic: RunningService, owner_id: UUID, service: UUID, hour: int) -> None:
    body = {"service_id": str(service), "doctor_id": str(DOCTOR), "starts_at": format_instant(NINE.replace(hour=hour))}
    response = await clinic.http.post("/holds", json=body, headers=bearer(Role.PATIENT, owner_id) | {"Idempotency-Key": f"{service}{hour}"})
    assert response.status_code == 201, response.text


async def erase(clinic: RunningService, pass_number: int = 1) -> None:
    erasure = {"patient_id": PATIENT, "erasure_id": UUID(int=9), "pass_number": pass_number}
    await clinic.publish_event(PatientErased(id=new_id(), occurred_at=NOON, **erasure))


async def test_the_link_of_an_erased_patient_ends_and_other_links_stay(clinic: RunningService, others: RulesAndReports) -> None:
    await reserve(clinic, 1)
    erased, kept = await subscribe(clinic, PATIENT), await subscribe(clinic, OTHER)
    assert "BEGIN:VEVENT" in (await clinic.http.get(erased)).text

    await erase(clinic)

    assert (await clinic.http.get(erased)).status_code == 404
    assert (await clinic.http.get(kept)).status_code == 200
    await erase(clinic, pass_number=2)
    first, second = ({"calendar_links": links, "holds": 0, "stored_answers": 0} for links in (1, 0))
    assert others.reports == [{"pass_number": 1, "removed": first}, {"pass_number": 2, "removed": second}]


async def test_held_time_is_free_and_no_hold_names_the_erased_patient(
    clinic: RunningService, others: RulesAndReports, sql_url: str
) -> None:
    await hold(clinic, PATIENT, CHECKUP, 8)
    await hold(clinic, PATIENT, CHECKUP, 9)
    await hold(clinic, PATIENT, GROUP, 10)
    await hold(clinic, OTHER, GROUP, 10)
    async with Database(sql_url) as database, database.write() as connection:
        body = json.dumps({"patient_id": str(PATIENT)}).encode()
        answer = {"key_id": new_id(), "fingerprint": "f", "claimed_at": NOON, "status": 201, "headers": "{}", "body": body}
        await connection.execute(sa.insert(INFRASTRUCTURE.idempotency_keys).values(answer))

    await erase(clinic)

    # the answers to three requests of the patient, and one that names them
    assert others.reports == [{"pass_number": 1, "removed": {"calendar_links": 0, "holds": 2, "stored_answers": 4}}]
    await hold(clinic, OTHER, CHECKUP, 9)
    async with Database(sql_url) as database, database.read() as connection:
        owners = await connection.scalars(sa.select(CLAIMS.c.owner_id).where(CLAIMS.c.owner_id.is_not(None)))
        assert set(owners) == {OTHER}
        assert PATIENT not in set(await connection.scalars(sa.select(LOCKS.c.id)))
        assert not list(await connection.scalars(sa.select(FEEDS.c.account_id)))


async def test_visits_stay_with_ids_and_times(clinic: RunningService) -> None:
    await reserve(clinic, 1)

    await erase(clinic)

    entries = (await clinic.http.get("/calendar", headers=bearer(Role.DOCTOR, DOCTOR))).json()["items"]
    assert [entry["appointment_id"] for entry in entries] == [str(UUID(int=1))]
