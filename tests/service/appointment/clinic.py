"""A running appointment-service whose neighbours answer from a small clinic."""

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
)
from shared.contracts.http import DoctorRules, LeaveOutcome, PatientSummary, ReserveTime, ServiceTypeRules
from shared.contracts.identity import Role
from shared.contracts.refusals import Refusal
from shared.kit.problems import problem_response
from tests.running import Running, running
from tests.tokens import bearer, service_bearer
from tests.unit.appointment.builders import (
    CHECKUP,
    COLLEAGUE,
    DOCTOR,
    HALF,
    NINE,
    PATIENT,
    STRANGER,
    TEN,
    a_doctor,
    a_leave,
    a_patient,
    a_service,
)
from tests.unit.appointment.fakes import FakeCalendar

ANNA, BO = bearer(Role.PATIENT, PATIENT), bearer(Role.PATIENT, STRANGER)
DR_WEISS, DR_GRAU = bearer(Role.DOCTOR, DOCTOR), bearer(Role.DOCTOR, COLLEAGUE)
DESK, ADMIN = bearer(Role.RECEPTION), bearer(Role.ADMIN)
ADMIN_SERVICE = service_bearer("admin-service")
HEARS = (
    AppointmentAmended, AppointmentBooked, AppointmentCancelled, AppointmentCheckedIn, AppointmentCompleted, AppointmentDeclined,
    AppointmentExpired, AppointmentMissed, AppointmentRequested, AppointmentRescheduled, AppointmentStarted,
)  # fmt: skip


@dataclass
class Neighbours:
    """`silent` hosts do not answer; `instead` is what the calendar answers in place of its own; `wished` are the bodies it got."""

    rules: ServiceTypeRules = field(default_factory=a_service)
    doctors: dict[UUID, DoctorRules] = field(default_factory=lambda: {one: a_doctor(id=one) for one in (DOCTOR, COLLEAGUE)})
    patients: dict[UUID, PatientSummary] = field(default_factory=lambda: {one: a_patient(id=one) for one in (PATIENT, STRANGER)})
    calendar: FakeCalendar = field(default_factory=FakeCalendar)
    silent: set[str] = field(default_factory=set)
    instead: httpx.Response | None = None
    wished: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host in self.silent:
            raise httpx.ReadError("silent")
        _, _, kind, *rest = request.url.path.split("/")
        appointment = UUID(rest[0]) if rest else None
        if kind == "reservations":
            self.wished += [json.loads(request.content)] if request.method == "PUT" else []
            return self.instead or self._calendar(request, appointment)
        known: dict[str, dict[UUID, Any]] = {"doctors": self.doctors, "services": {self.rules.id: self.rules}, "patients": self.patients}
        found = known[kind].get(appointment) if appointment else None
        return answered(found) if found else problem(404, f"no_such_{kind.removesuffix('s')}")

    def _calendar(self, request: httpx.Request, appointment: UUID | None) -> httpx.Response:
        if appointment is None:
            return httpx.Response(
                200, json={"items": [json.loads(c.model_dump_json()) for c in self.calendar.reservations.values()], "next": None}
            )
        if request.method == "GET":
            known = self.calendar.reservations.get(appointment) or self.calendar.released.get(appointment)
            return answered(known) if known else problem(404, "no_such_reservation")
        if request.method == "DELETE":
            self.calendar.delete(appointment, int(request.url.params["revision"]))
            return httpx.Response(204)
        try:
            return answered(self.calendar.decide(appointment, ReserveTime.model_validate_json(request.content)))
        except Refusal as refusal:
            answer = problem_response(refusal, request.url.path)
            return httpx.Response(answer.status_code, content=bytes(answer.body), headers={"content-type": "application/problem+json"})


def problem(status: int, code: str, **facts: Any) -> httpx.Response:
    body = {"status": status, "code": code, "title": code, "detail": code} | facts
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def answered(model: BaseModel) -> httpx.Response:
    return httpx.Response(200, json=json.loads(model.model_dump_json()))


@dataclass
class Clinic:
    """The running service, and shorthands for what its callers say."""

    here: Running
    around: Neighbours

    async def book(self, who: dict[str, str] = ANNA, **body: Any) -> httpx.Response:
        fields = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": NINE.isoformat()} | body
        return await self.here.http.post("/appointments", json=fields, headers=who)

    async def booked(self, who: dict[str, str] = ANNA, **body: Any) -> dict[str, Any]:
        answer = await self.book(who, **body)
        assert answer.status_code in (201, 202), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def do(self, appointment: dict[str, Any], action: str, who: dict[str, str] = DESK, **body: Any) -> httpx.Response:
        return await self.here.http.post(f"/appointments/{appointment['id']}/{action}", json=body or None, headers=who)

    async def get(self, path: str, who: dict[str, str] = ANNA) -> httpx.Response:
        return await self.here.http.get(path, headers=who)

    def take_leave(self, appointment: dict[str, Any], action: str) -> LeaveTaken:
        """The calendar has decided about the one at nine: a moved one is at ten, with a colleague."""
        fields: dict[str, Any] = {"appointment_id": UUID(appointment["id"]), "action": action, "revision": 2}
        fields |= {"previous_doctor_id": DOCTOR, "previous_starts_at": NINE}
        place = {"doctor_id": COLLEAGUE, "starts_at": TEN, "ends_at": TEN + HALF} if action == "moved" else {}
        outcome = LeaveOutcome(**fields | place)
        self.around.calendar.take_leave(outcome)
        return a_leave(outcome)

    async def heard(self) -> list[str]:
        await self.here.settle()
        return [event.topic.removeprefix("appointment.").removesuffix(".v1") for event in self.here.heard]


COMMON = {"unauthenticated", "forbidden", "validation_failed", "unknown_parameter", "idempotency_key_reused", "bad_if_match"}
COMMON |= {"request_in_progress", "offset_required", "not_an_instant", "control_character"}


@dataclass
class Pages:
    """What the service's document says that each route may refuse: a refusal that it does not name is a fault of the document."""

    app: FastAPI

    async def __call__(self, answer: httpx.Response) -> None:
        await answer.aread()
        code = answer.json()["code"] if answer.status_code >= 400 else None
        if code is None or code in COMMON or "/internal/" in answer.url.path:
            return
        paths = self.app.openapi()["paths"]
        matching = [path for path in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), answer.url.path)]
        said = [paths[path][answer.request.method.lower()]["responses"].get(str(answer.status_code), {}) for path in matching]
        assert any(f"`{code}`" in appointment.get("description", "") for appointment in said), (matching, code)


@cache
def migrated() -> bytes:
    """The file of an empty store; migrating for every test would take longer than the tests."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        migrate(f"sqlite+aiosqlite:///{file}")
        return file.read_bytes()


@asynccontextmanager
async def a_clinic(folder: Path, **settings: Any) -> AsyncIterator[Clinic]:
    around = Neighbours()
    (folder / "appointment_svc.db").write_bytes(migrated())
    async with running("appointment_svc", folder, around, hears=HEARS, migrated=False, **settings) as here:
        here.http.event_hooks["response"].append(Pages(here.app))
        yield Clinic(here, around)
