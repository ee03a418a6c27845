"""A running scheduling-service whose doctor-service answers from two lists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Engine, event

from shared.contracts.http import DoctorRules, PatientSummary, ServiceTypeRules
from tests.running import Handler, RunningService, not_found_response, problem_response, run_service
from tests.tokens import service_bearer
from tests.unit.scheduling.builders import a_reservation_request

APPOINTMENTS = service_bearer("appointment-service")


@dataclass
class DoctorService:
    """Answers requests for one rule, or for pages of one rule each. `requested` are the paths. It does not answer while it is `down`.

    It answers as patient-service, too.
    """

    doctors: list[DoctorRules] = field(default_factory=list)
    services: list[ServiceTypeRules] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    down: bool = False
    patients: list[PatientSummary] = field(default_factory=list)
    merged: dict[UUID, UUID] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        self.requested.append(request.url.path)
        _, _, kind, *rest = request.url.path.split("/")
        if kind == "patients" and UUID(rest[0]) in self.merged:
            return problem_response(404, "patient_merged", merged_into=str(self.merged[UUID(rest[0])]))
        if kind == "patients":
            summaries = [json.loads(patient.model_dump_json()) for patient in self.patients]
            return next((httpx.Response(200, json=item) for item in summaries if item["id"] == rest[0]), no_such_patient())
        rules = [json.loads(rules.model_dump_json()) for rules in (self.doctors if kind == "doctors" else self.services)]
        if rest:
            return next((httpx.Response(200, json=item) for item in rules if item["id"] == rest[0]), not_found_response())
        offset = int(request.url.params.get("after", 0))
        return httpx.Response(200, json={"items": rules[offset : offset + 1], "next": str(offset + 1) if offset + 1 < len(rules) else None})


def no_such_patient() -> httpx.Response:
    return problem_response(404, "no_such_patient")


@asynccontextmanager
async def a_clinic(folder: Path, doctor_service: Handler, **settings: Any) -> AsyncIterator[RunningService]:
    async with run_service("scheduling_svc", folder, doctor_service, **settings) as service:
        await service.run_until_idle()
        yield service


TABLES = ("claims", "seats", "doctors", "services", "offers")


@contextmanager
def recorded_queries() -> Iterator[list[str]]:
    """Record the queries about people, rules and time; the jobs query other tables."""
    queries: list[str] = []

    def record(*args: Any) -> None:
        if any(f"FROM {table}" in args[2] for table in TABLES):
            queries.append(args[2])

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield queries
    finally:
        event.remove(Engine, "before_cursor_execute", record)


async def reserve(clinic: RunningService, appointment_id: int, **fields: Any) -> httpx.Response:
    body = a_reservation_request(**fields).model_dump(mode="json")
    return await clinic.http.put(f"/internal/reservations/{UUID(int=appointment_id)}", json=body, headers=APPOINTMENTS)


async def release(clinic: RunningService, appointment_id: int, revision: int) -> httpx.Response:
    path = f"/internal/reservations/{UUID(int=appointment_id)}?revision={revision}"
    return await clinic.http.delete(path, headers=APPOINTMENTS)
