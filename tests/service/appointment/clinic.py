"""appointment-service running over ASGI on SQLite, with the services it calls replaced by fakes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

from appointment_svc.migrations import migrate
from shared.contracts.contacts import ContactRequest, PatientContact, PatientContacts
from shared.contracts.events import (
    AppointmentAmended,
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCheckedIn,
    AppointmentCompleted,
    AppointmentDeclined,
    AppointmentExpired,
    AppointmentMissed,
    AppointmentRequested,
    AppointmentRescheduled,
    AppointmentStarted,
    LeaveTaken,
    PatientMerged,
)
from shared.contracts.http import DependantIds, DoctorRules, LeaveOutcome, PatientSummary, ReserveTime, ServiceTypeRules
from shared.contracts.identity import Role
from shared.contracts.refusals import Refusal
from shared.kit.ids import new_id
from shared.kit.problems import problem_response
from tests.running import RunningService, run_service
from tests.tokens import bearer, service_bearer
from tests.unit.appointment.builders import (
    CHECKUP,
    COLLEAGUE,
    DOCTOR,
    HALF,
    LINK_TOKENS,
    NINE,
    NOON,
    PATIENT,
    STRANGER,
    TEN,
    a_doctor,
    a_leave,
    a_patient,
    a_patient_contact,
    a_service,
)
from tests.unit.appointment.fakes import FakeCalendar

ANNA, BO = bearer(Role.PATIENT, PATIENT), bearer(Role.PATIENT, STRANGER)
DR_WEISS, DR_GRAU = bearer(Role.DOCTOR, DOCTOR), bearer(Role.DOCTOR, COLLEAGUE)
DESK, ADMIN = bearer(Role.RECEPTION), bearer(Role.ADMIN)
ADMIN_SERVICE, NOTIFICATION_SERVICE = service_bearer("admin-service"), service_bearer("notification-service")
PUBLISHED_EVENTS = (
    AppointmentAmended, AppointmentBooked, AppointmentCancelled, AppointmentCheckedIn, AppointmentCompleted, AppointmentDeclined,
    AppointmentExpired, AppointmentMissed, AppointmentRequested, AppointmentRescheduled, AppointmentStarted,
)  # fmt: skip


@dataclass
class Upstreams:
    """The services that appointment-service calls.

    Hosts in `down` do not answer. `calendar_response` replaces the calendar's own response. `reserve_bodies` are the bodies it received,
    `paths` the paths of all requests, and `erasure_reports` what patient-service was told of erasures. `merged` has, by the id of a merged
    patient, that of the other one.
    """

    service: ServiceTypeRules = field(default_factory=a_service)
    doctors: dict[UUID, DoctorRules] = field(
        default_factory=lambda: {doctor_id: a_doctor(id=doctor_id) for doctor_id in (DOCTOR, COLLEAGUE)}
    )
    patients: dict[UUID, PatientSummary] = field(
        default_factory=lambda: {patient_id: a_patient(id=patient_id) for patient_id in (PATIENT, STRANGER)}
    )
    calendar: FakeCalendar = field(default_factory=FakeCalendar)
    contacts: dict[UUID, PatientContact] = field(
        default_factory=lambda: {patient_id: a_patient_contact(id=patient_id) for patient_id in (PATIENT, STRANGER)}
    )
    merged: dict[UUID, UUID] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    calendar_response: httpx.Response | None = None
    reserve_bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    erasure_reports: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host in self.down:
            raise httpx.ReadError("down")
        self.paths.append(request.url.path)
        _, _, collection, *rest = request.url.path.split("/")
        if collection == "erasures":
            self.erasure_reports.append(json.loads(request.content))
            return httpx.Response(204)
        resource_id = UUID(rest[0]) if rest else None
        if collection == "contacts":
            known = [self.contacts.get(person_id) for person_id in ContactRequest.model_validate_json(request.content).ids]
            return ok(PatientContacts(items=[contact for contact in known if contact]))
        if collection == "reservations":
            self.reserve_bodies += [json.loads(request.content)] if request.method == "PUT" else []
            return self.calendar_response or self._answer_as_calendar(request, resource_id)
        if rest[1:] == ["dependants"]:
            guarded = [patient.id for patient in self.patients.values() if resource_id in patient.guardian_ids]
            return ok(DependantIds(ids=guarded))
        if collection == "patients" and resource_id in self.merged:
            return a_problem(404, "patient_merged", merged_into=str(self.merged[resource_id]))
        resources: dict[str, dict[UUID, Any]] = {
            "doctors": self.doctors,
            "services": {self.service.id: self.service},
            "patients": self.patients,
        }
        resource = resources[collection].get(resource_id) if resource_id else None
        return ok(resource) if resource else a_problem(404, f"no_such_{collection.removesuffix('s')}")

    def _answer_as_calendar(self, request: httpx.Request, appointment_id: UUID | None) -> httpx.Response:
        if appointment_id is None:
            reservations = [json.loads(reservation.model_dump_json()) for reservation in self.calendar.reservations.values()]
            return httpx.Response(200, json={"items": reservations, "next": None})
        if request.method == "GET":
            reservation = self.calendar.reservations.get(appointment_id) or self.calendar.released.get(appointment_id)
            return ok(reservation) if reservation else a_problem(404, "no_such_reservation")
        if request.method == "DELETE":
            self.calendar.delete(appointment_id, int(request.url.params["revision"]))
            return httpx.Response(204)
        try:
            return ok(self.calendar.decide(appointment_id, ReserveTime.model_validate_json(request.content)))
        except Refusal as refusal:
            problem = problem_response(refusal, request.url.path)
            return httpx.Response(problem.status_code, content=bytes(problem.body), headers={"content-type": "application/problem+json"})


def a_problem(status: int, code: str, **facts: Any) -> httpx.Response:
    body = {"status": status, "code": code, "title": code, "detail": code} | facts
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def ok(model: BaseModel) -> httpx.Response:
    return httpx.Response(200, json=json.loads(model.model_dump_json()))


@dataclass
class RunningClinic:
    """The running service, and shorthands for the requests of its callers."""

    service: RunningService
    upstreams: Upstreams

    async def book(self, caller: dict[str, str] = ANNA, **body: Any) -> httpx.Response:
        fields = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": NINE.isoformat()} | body
        return await self.service.http.post("/appointments", json=fields, headers=caller)

    async def booked(self, caller: dict[str, str] = ANNA, **body: Any) -> dict[str, Any]:
        """Book, and return the appointment as JSON."""
        response = await self.book(caller, **body)
        assert response.status_code in (201, 202), response.text
        appointment: dict[str, Any] = response.json()
        return appointment

    async def do(self, appointment: dict[str, Any], action: str, caller: dict[str, str] = DESK, **body: Any) -> httpx.Response:
        return await self.service.http.post(f"/appointments/{appointment['id']}/{action}", json=body or None, headers=caller)

    async def get(self, path: str, caller: dict[str, str] = ANNA) -> httpx.Response:
        return await self.service.http.get(path, headers=caller)

    async def merge(self, patient_id: UUID, into: UUID) -> None:
        """Merge a patient into another one, as patient-service does and announces it."""
        self.upstreams.merged = {old: into if new == patient_id else new for old, new in self.upstreams.merged.items()} | {patient_id: into}
        self.upstreams.patients.pop(patient_id, None)
        self.upstreams.contacts.pop(patient_id, None)
        await self.service.publish_event(PatientMerged(id=new_id(), occurred_at=NOON, patient_id=patient_id, into=into, version=2))

    def take_leave(self, appointment: dict[str, Any], action: str) -> LeaveTaken:
        """Let a leave cancel the reservation at nine, or move it to ten with a colleague; return its event."""
        fields: dict[str, Any] = {"appointment_id": UUID(appointment["id"]), "action": action, "revision": 2}
        fields |= {"previous_doctor_id": DOCTOR, "previous_starts_at": NINE}
        new_slot = {"doctor_id": COLLEAGUE, "starts_at": TEN, "ends_at": TEN + HALF} if action == "moved" else {}
        outcome = LeaveOutcome(**fields | new_slot)
        self.upstreams.calendar.take_leave(outcome)
        return a_leave(outcome)

    async def published(self) -> list[str]:
        """Return the events so far, in short, after all jobs have run."""
        await self.service.run_until_idle()
        return [event.topic.removeprefix("appointment.").removesuffix(".v1") for event in self.service.published]


COMMON_CODES = {"unauthenticated", "forbidden", "validation_failed", "unknown_parameter", "idempotency_key_reused", "bad_if_match"}
COMMON_CODES |= {"request_in_progress", "offset_required", "not_an_instant", "control_character"}
COMMON_CODES |= {"unsupported_media_type", "method_not_allowed", "not_found", "invalid_token"}


@dataclass
class DocumentedRefusals:
    """A response hook that fails when a route refuses with a code that the OpenAPI document does not list for it."""

    app: FastAPI

    async def __call__(self, response: httpx.Response) -> None:
        await response.aread()
        is_page = response.headers.get("content-type", "").startswith("text/html")
        code = response.json()["code"] if response.status_code >= 400 and not is_page and response.content else None
        if code is None or code in COMMON_CODES or "/internal/" in response.url.path:
            return
        paths = self.app.openapi()["paths"]
        matching = [path for path in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), response.url.path)]
        method, status = response.request.method.lower(), str(response.status_code)
        documented = [paths[path][method]["responses"].get(status, {}).get("description", "") for path in matching]
        assert any(f"`{code}`" in description for description in documented), (matching, code)


@cache
def migrated_database() -> bytes:
    """The file of an empty database; migrating for every test would take longer than the tests."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        migrate(f"sqlite+aiosqlite:///{file}")
        return file.read_bytes()


@asynccontextmanager
async def a_clinic(folder: Path, **settings: Any) -> AsyncIterator[RunningClinic]:
    upstreams = Upstreams()
    (folder / "appointment_svc.db").write_bytes(migrated_database())
    settings = {"link_secret": LINK_TOKENS.secret, "clinic_name": "Lindenstrasse Clinic"} | settings
    async with run_service("appointment_svc", folder, upstreams, record_events=PUBLISHED_EVENTS, migrated=False, **settings) as service:
        service.http.event_hooks["response"].append(DocumentedRefusals(service.app))
        yield RunningClinic(service, upstreams)
