"""Erasures, and the end of an access by break-glass, while medical histories are read and written on two instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from patient_svc.repository.tables import ACCESSES, BREAK_GLASS, MEDICAL_ENTRIES, MEDICAL_VERSIONS, RECORD_KEYS
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService
from tests.service.patient.medical_histories import ADMIN, ASTHMA, HISTORY, Histories, publish_visit, run_histories
from tests.service.patient.medical_histories import BREAK_GLASS as BREAK_GLASS_PATH
from tests.service.patient.running_patient import DOCTOR, SAM, create_profile
from tests.tokens import bearer

TITLES = {"Asthma", "Hay fever", "Migraine"}
ROUNDS = 8


@pytest.fixture
async def histories(tmp_path: Path, sql_url: str) -> AsyncIterator[Histories]:
    """The service on SQLite and on MariaDB."""
    async with run_histories(tmp_path, sql_url) as running:
        yield running


@pytest.fixture
async def other_instance(histories: Histories, tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """Another instance of patient-service on the same database."""
    folder = tmp_path / "other"
    folder.mkdir()
    async with run_histories(folder, sql_url) as running:
        yield running.service


async def add_patient(service: RunningService) -> tuple[UUID, dict[str, str], list[str]]:
    """Create a patient with a treating doctor, whose history an admin has opened; return the id, the token and the ids of the entries."""
    patient_id = new_id()
    await create_profile(service, patient_id)
    await publish_visit(service, DOCTOR, NOON - timedelta(days=7), "completed", patient_id=patient_id)
    patient = bearer(Role.PATIENT, patient_id, auth_time=int(NOON.timestamp()))
    path = f"/patients/{patient_id}"
    entries = [
        (await service.http.post(f"{path}/medical-history", json=ASTHMA | {"title": title}, headers=patient)).json()["id"]
        for title in sorted(TITLES)
    ]
    opened = await service.http.post(f"{path}/break-glass", json={"reason": "Unconscious"}, headers=bearer(Role.ADMIN, ADMIN))
    assert opened.status_code == 201
    return patient_id, patient, entries


async def count_rows_of(url: str, patient_id: UUID, entries: list[str]) -> int:
    """Return how many rows are left of a medical history."""
    of_patient = [table.c.patient_id == patient_id for table in (RECORD_KEYS, MEDICAL_ENTRIES, BREAK_GLASS)]
    of_entries = MEDICAL_VERSIONS.c.entry_id.in_(list(map(UUID, entries)))
    async with Database(url) as database, database.read() as connection:
        counts = [await connection.scalar(sa.select(sa.func.count()).where(condition)) for condition in (*of_patient, of_entries)]
    return sum(filter(None, counts))


async def list_outcomes(url: str, patient_id: UUID) -> list[str]:
    """Return the outcome of each line about a read of a medical history."""
    is_read = (ACCESSES.c.patient_id == patient_id) & (ACCESSES.c.action == "medical_history.read")
    async with Database(url) as database, database.read() as connection:
        return list(await connection.scalars(sa.select(ACCESSES.c.outcome).where(is_read)))


async def test_a_read_that_overlaps_an_erasure_gets_everything_with_its_line_or_a_404(
    histories: Histories, other_instance: RunningService, sql_url: str
) -> None:
    for _ in range(ROUNDS):
        patient_id, patient, entries = await add_patient(histories.service)
        path = f"/patients/{patient_id}"
        readers = [patient, bearer(Role.DOCTOR, DOCTOR), bearer(Role.ADMIN, ADMIN)]
        paths = [f"{path}/medical-history", f"{path}/medical-history/{entries[0]}", f"{path}/medical-history/{entries[0]}/versions"]

        def read(number: int, readers: list[dict[str, str]] = readers, paths: list[str] = paths) -> Any:
            service = (histories.service, other_instance)[number % 2]
            return service.http.get(paths[number % 3], headers=readers[number // 3 % 3])

        def write(number: int, path: str = path, patient: dict[str, str] = patient) -> Any:
            service = (histories.service, other_instance)[number % 2]
            return service.http.post(f"{path}/medical-history", json=ASTHMA | {"kind": "note", "status": None}, headers=patient)

        reads_before, reads_after = [read(number) for number in range(9)], [read(number) for number in range(9)]
        erasure = other_instance.http.delete("/patients/me?appointments=cancel", headers=patient)
        responses = await asyncio.gather(*reads_before, write(0), erasure, *reads_after, write(1))
        erased = responses.pop(len(reads_before) + 1)
        reads = [response for response in responses if response.request.method == "GET"]
        assert erased.status_code == 202, erased.text
        assert {response.status_code for response in responses} <= {200, 201, 404}, [response.text for response in responses]
        for response in reads:
            check_read(response)
        assert await count_rows_of(sql_url, patient_id, entries) == 0
        outcomes_in_log = await list_outcomes(sql_url, patient_id)
        assert outcomes_in_log.count("done") == sum(response.status_code == 200 for response in reads)
        assert (await histories.service.http.get(paths[0], headers=patient)).status_code == 404


def check_read(response: httpx.Response) -> None:
    """Assert that an answer is complete, or that the patient does not exist."""
    if response.status_code == 404:
        assert response.json()["code"] == "no_such_patient", response.text
    elif response.url.path.endswith("medical-history"):
        assert {entry["title"] for entry in response.json()["items"]} >= TITLES
    else:
        body = response.json()
        assert (body["items"][0] if "items" in body else body)["title"] in TITLES


async def test_an_access_by_break_glass_ends_for_reads_under_way_and_each_read_has_its_line(
    histories: Histories, other_instance: RunningService, sql_url: str
) -> None:
    await histories.add("self")
    admin = bearer(Role.ADMIN, ADMIN)
    statuses = list[int]()
    for _ in range(ROUNDS):
        opened = (await histories.service.http.post(BREAK_GLASS_PATH, json={"reason": "Unconscious"}, headers=admin)).json()
        end = histories.service.clock() + timedelta(minutes=60)
        assert opened["expires_at"] == f"{end:%Y-%m-%dT%H:%M:%SZ}"
        is_ended = asyncio.Event()

        async def read(service: RunningService, ended: asyncio.Event = is_ended) -> None:
            began_after_the_end = ended.is_set()
            response = await service.http.get(HISTORY, headers=admin)
            statuses.append(response.status_code)
            assert response.status_code in (200, 403), response.text
            assert not (began_after_the_end and response.status_code == 200)

        async def let_it_end(ended: asyncio.Event = is_ended, end: Any = end) -> None:
            await asyncio.sleep(0)
            for service in (other_instance, histories.service):
                service.clock.set(end)
            ended.set()

        services = [histories.service, other_instance] * 3
        await asyncio.gather(*map(read, services), let_it_end())
        await asyncio.gather(*map(read, services))
    assert sorted(await list_outcomes(sql_url, SAM)) == sorted(["done" if status == 200 else "refused" for status in statuses])
