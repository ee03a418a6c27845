"""What admin-service has of an erased patient besides ids is deleted, and reported to patient-service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from admin_svc.repository.tables import INFRASTRUCTURE, PENDING_USERS
from shared.contracts.events import PatientErased
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service

SAM, KIM = UUID(int=1), UUID(int=2)


class ErasureRecorder:
    """patient-service, with the reports that it was sent by their paths."""

    def __init__(self) -> None:
        self.reports: dict[str, dict[str, object]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/internal/erasures/"):
            self.reports[request.url.path] = json.loads(request.content)
            return httpx.Response(204)
        return httpx.Response(503)


@pytest.fixture
def patient_service() -> ErasureRecorder:
    return ErasureRecorder()


@pytest.fixture
async def admin(tmp_path: Path, patient_service: ErasureRecorder, sql_url: str) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB."""
    async with run_service("admin_svc", tmp_path, patient_service, database_url=sql_url) as service:
        yield service


async def test_pending_users_and_stored_answers_of_an_erased_patient_are_deleted(
    admin: RunningService, patient_service: ErasureRecorder, sql_url: str
) -> None:
    answers = INFRASTRUCTURE.idempotency_keys
    async with Database(sql_url) as database, database.write() as connection:
        for person in (SAM, KIM):
            fields = json.dumps({"email": "sam@example.com", "role": "patient", "full_name": "Sam Lee"})
            later = NOON.replace(year=2027)
            await connection.execute(sa.insert(PENDING_USERS).values(id=person, fields=fields, requested_at=NOON, retry_at=later))
            body = json.dumps({"id": str(person), "full_name": "Sam Lee"}).encode()
            await connection.execute(
                sa.insert(answers).values(key_id=person, fingerprint="f", claimed_at=NOON, status=201, headers="{}", body=body)
            )

    await admin.publish_event(PatientErased(id=new_id(), occurred_at=NOON, patient_id=SAM, erasure_id=UUID(int=9), pass_number=1))

    async with Database(sql_url) as database, database.read() as connection:
        assert list(await connection.scalars(sa.select(PENDING_USERS.c.id))) == [KIM]
        assert list(await connection.scalars(sa.select(answers.c.key_id).where(answers.c.status.is_not(None)))) == [KIM]
    assert patient_service.reports == {f"/internal/erasures/{UUID(int=9)}/reports": {"pass_number": 1, "removed": {"stored_answers": 1}}}
