"""A running patient-service with people around one patient, and the calls on medical histories that tests make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa

from patient_svc.repository.tables import ACCESSES, GUARDIANS, PATIENTS
from shared.contracts.events import AppointmentEvent, AuditRecorded, BreakGlassOpened
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, not_found_response, problem_response, run_service
from tests.service.patient.running_patient import DOCTOR, PROFILE, SAM, create_profile, is_merge
from tests.tokens import bearer

ADMIN, GUARDIAN, FORMER_GUARDIAN, FORMER_DOCTOR, STRANGER = (UUID(int=number) for number in (11, 12, 13, 14, 15))
HISTORY = f"/patients/{SAM}/medical-history"
SUMMARY, BREAK_GLASS = f"/patients/{SAM}/summary", f"/patients/{SAM}/break-glass"
CHILDHOOD = {"born_on": "2015-05-01"}
ASTHMA = {"kind": "condition", "title": "Asthma", "code": {"system": "http://hl7.org/fhir/sid/icd-10", "code": "J45.9"}}
CALLERS = {
    "self": bearer(Role.PATIENT, SAM),
    "guardian": bearer(Role.PATIENT, GUARDIAN),
    "former guardian": bearer(Role.PATIENT, FORMER_GUARDIAN),
    "other patient": bearer(Role.PATIENT, STRANGER),
    "treating doctor": bearer(Role.DOCTOR, DOCTOR),
    "former doctor": bearer(Role.DOCTOR, FORMER_DOCTOR),
    "other doctor": bearer(Role.DOCTOR, STRANGER),
    "reception": bearer(Role.RECEPTION, STRANGER),
    "admin": bearer(Role.ADMIN, ADMIN),
    "service": bearer(Role.SERVICE, "appointment-service"),
}


@dataclass
class FakeAppointmentList:
    """The internal list of appointment-service. `treating` are the doctors for whom it lists an appointment."""

    treating: set[UUID] = field(default_factory=set)
    answers: bool = True
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/internal/appointments":
            return httpx.Response(204) if is_merge(request) else not_found_response()
        self.requests.append(request)
        if not self.answers:
            return problem_response(503, "unavailable", retry_after=2)
        is_treating = UUID(request.url.params["doctor_id"]) in self.treating
        return httpx.Response(200, json={"items": [{"id": str(UUID(int=77))}] if is_treating else [], "next": None})


@dataclass
class Histories:
    """The service, and what the other services answer."""

    service: RunningService
    appointments: FakeAppointmentList

    async def call(self, method: str, path: str, caller: str, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send a request as one of CALLERS; `headers` are named with underscores."""
        sent = CALLERS[caller] | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.service.http.request(method, path, json=body, headers=sent)

    async def add(self, caller: str = "treating doctor", **fields: Any) -> dict[str, Any]:
        """Add an entry and return it."""
        response = await self.call("POST", HISTORY, caller, ASTHMA | fields)
        assert response.status_code == 201, response.text
        entry: dict[str, Any] = response.json()
        return entry

    async def list_titles(self, query: str = "", caller: str = "self") -> list[str]:
        """Return the titles of the entries in a list."""
        response = await self.call("GET", HISTORY + query, caller)
        assert response.status_code == 200, response.text
        return [entry["title"] for entry in response.json()["items"]]

    async def list_accesses(self) -> list[tuple[str, str, str, str | None]]:
        """Return action, role, outcome and relation of every line of the access log, in their order, as audit events carry them."""
        await self.service.run_until_idle()
        events = sorted((event for event in self.service.published if isinstance(event, AuditRecorded)), key=lambda event: event.id)
        return [(event.action, event.actor_role.value, event.outcome, event.relation) for event in events]


@asynccontextmanager
async def run_histories(folder: Path, url: str, **settings: Any) -> AsyncIterator[Histories]:
    """Run patient-service with Sam, a child, the guardian, the doctor of a coming visit and one of a visit 25 months ago."""
    appointments = FakeAppointmentList()
    events = (AuditRecorded, BreakGlassOpened)
    async with run_service("patient_svc", folder, appointments, record_events=events, database_url=url, **settings) as service:
        await create_profile(service, SAM, **PROFILE)
        await change_database(
            url,
            sa.update(PATIENTS).values(born_on=datetime.fromisoformat(CHILDHOOD["born_on"]).date()),
            sa.delete(GUARDIANS),
            sa.insert(GUARDIANS).values(dependant_id=SAM, guardian_id=GUARDIAN, relationship="child"),
        )
        await publish_visit(service, DOCTOR, NOON + timedelta(days=7))
        await publish_visit(service, FORMER_DOCTOR, NOON - timedelta(days=760))
        service.published.clear()
        yield Histories(service, appointments)


async def publish_visit(
    service: RunningService, doctor_id: UUID, starts_at: datetime, status: str = "booked", version: int = 1, *, patient_id: UUID = SAM
) -> None:
    """Publish an event of a visit of a patient, of Sam by default; the visits of a patient with a doctor are one and the same."""
    appointment_id = UUID(int=900 + doctor_id.int + patient_id.int)
    people = {"appointment_id": appointment_id, "service_id": UUID(int=8), "doctor_id": doctor_id, "patient_id": patient_id}
    times = {"occurred_at": NOON, "starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=30), "time_zone": "UTC"}
    state = {"version": version, "sequence": 0, "status": status, "actor": Actor(id=patient_id, role=Role.PATIENT)}
    await service.publish_event(AppointmentEvent.for_topic("appointment.booked.v1", id=new_id(), **people, **times, **state))


async def change_database(url: str, *statements: sa.Executable) -> None:
    """Run statements on the service's database behind its back."""
    async with Database(url) as database, database.write() as connection:
        for statement in statements:
            await connection.execute(statement)


async def count_access_lines(url: str) -> int:
    """Return how many lines the access log has."""
    async with Database(url) as database, database.read() as connection:
        return int(await connection.scalar(sa.select(sa.func.count()).select_from(ACCESSES)) or 0)
