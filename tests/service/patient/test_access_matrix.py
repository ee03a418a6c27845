"""Every caller, in every relation, on every route about a patient: what they get, and what the patient's access log says about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa
from fastapi.routing import APIRoute

from patient_svc.repository.tables import ACCESSES, GUARDIANS, PATIENTS
from shared.contracts.identity import Role
from shared.kit.sql import Database
from tests.running import NOON, RunningService, not_found_response, run_service
from tests.service.patient.access_matrix import (
    ADULT,
    ADULT_WITH_ACCOUNT,
    CALLERS,
    CANCELLED_DOCTOR,
    CHILD,
    CODES,
    COLUMNS,
    ELSEWHERE,
    GLASS_ADMIN,
    MATRIX,
    MAX_README_LINES,
    OTHER_GUARDIAN,
    README,
    MatrixOperation,
)
from tests.service.patient.medical_histories import ASTHMA, FORMER_DOCTOR, FORMER_GUARDIAN, GUARDIAN, change_database, publish_visit
from tests.service.patient.running_patient import DOCTOR, SAM, create_profile
from tests.tokens import bearer, service_bearer

PEOPLE = (SAM, CHILD, ADULT, ADULT_WITH_ACCOUNT)
Line = tuple[UUID, str, str | None, str]


@dataclass
class Matrix:
    """The running service, and the requests so far: what each got, by its id."""

    service: RunningService
    url: str
    numbers: Iterator[int] = field(default_factory=count)

    async def send(self, method: str, path: str, headers: dict[str, str], body: Any = None, status: int | None = None) -> httpx.Response:
        """Send a request; check the status if one is given."""
        response = await self.service.http.request(method, path, json=body, headers=headers)
        assert status is None or response.status_code == status, response.text
        return response

    async def call(self, caller: str, operation: MatrixOperation) -> tuple[str, httpx.Response]:
        """Carry out an operation as a caller, on an entry that the patient has reported just now; return the request's id, too."""
        who, request_id = CALLERS[caller], f"{next(self.numbers):032x}"
        headers = who.headers | {"X-Request-ID": request_id}
        ids = {"patient_id": who.patient_id, "dependant_id": who.patient_id, "guardian_id": OTHER_GUARDIAN}
        if "{entry_id}" in operation.path:
            ids["entry_id"] = await self.add_entry(who.patient_id)
            headers |= {"If-Match": '"1"'} if operation.method == "PATCH" else {}
        elif operation.method == "PATCH":
            headers |= {"If-Match": await self.change_phone(who.patient_id)}
        elif operation.method == "PUT":
            headers |= {"If-Match": '"1"'}
        return request_id, await self.send(operation.method, operation.path.format(**ids), headers, operation.body)

    async def add_entry(self, patient_id: UUID) -> UUID:
        """Add an entry as the patient, and return its id."""
        path, headers = f"/patients/{patient_id}/medical-history", bearer(Role.PATIENT, patient_id)
        return UUID((await self.send("POST", path, headers, ASTHMA | {"kind": "note", "status": None}, 201)).json()["id"])

    async def change_phone(self, patient_id: UUID) -> str:
        """Give the profile another phone number than operations do, and return its ETag."""
        path, admin = f"/patients/{patient_id}", bearer(Role.ADMIN)
        etag = (await self.send("GET", path, admin, status=200)).headers["etag"]
        return (await self.send("PATCH", path, admin | {"If-Match": etag}, {"phone": "+49 30 2"}, 200)).headers["etag"]

    async def lines(self) -> dict[str, list[Line]]:
        """Return patient, action, relation and outcome of the lines of the access log, by request."""
        lines: dict[str, list[Line]] = {}
        async with Database(self.url) as database, database.read() as connection:
            for row in await connection.execute(sa.select(ACCESSES)):
                lines.setdefault(row.request_id, []).append((row.patient_id, row.action, row.relation, row.outcome))
        return lines


def answer_without_appointments(request: httpx.Request) -> httpx.Response:
    """Answer as appointment-service does that has no appointments, and as doctor-service that knows no doctors."""
    if request.url.path.startswith("/internal/appointment"):
        return httpx.Response(200, json={"items": [], "next": None})
    return httpx.Response(200, json={"doctors": [], "services": []}) if "contacts" in request.url.path else not_found_response()


@asynccontextmanager
async def run_matrix(folder: Path) -> AsyncIterator[Matrix]:
    """Run patient-service with a patient, a child and two adults who have guardians, and with doctors in all relations to the child."""
    url = f"sqlite+aiosqlite:///{folder / 'matrix'}.db"
    async with run_service("patient_svc", folder, answer_without_appointments, database_url=url) as service:
        for patient_id in (*PEOPLE, GUARDIAN, FORMER_GUARDIAN, OTHER_GUARDIAN):
            await create_profile(service, patient_id)
        await change_database(
            url,
            sa.update(PATIENTS).where(PATIENTS.c.id.in_([CHILD, ADULT])).values(has_account=False),
            sa.update(PATIENTS).where(PATIENTS.c.id == CHILD).values(born_on=date(2015, 5, 1)),
            sa.update(PATIENTS).where(PATIENTS.c.id.in_([ADULT, ADULT_WITH_ACCOUNT])).values(born_on=date(1950, 5, 1)),
            *(sa.insert(GUARDIANS).values(dependant_id=dependant, guardian_id=GUARDIAN) for dependant in PEOPLE[1:]),
        )
        matrix, desk = Matrix(service, url), bearer(Role.RECEPTION)
        await matrix.send("POST", f"/patients/{CHILD}/guardians", desk, {"guardian_id": str(FORMER_GUARDIAN)}, 201)
        await matrix.send("DELETE", f"/patients/{CHILD}/guardians/{FORMER_GUARDIAN}", desk, status=204)
        await matrix.send("POST", f"/patients/{CHILD}/break-glass", bearer(Role.ADMIN, GLASS_ADMIN), {"reason": "Unconscious"}, 201)
        await publish_visit(service, DOCTOR, NOON - timedelta(days=700), "completed", patient_id=CHILD)
        await publish_visit(service, FORMER_DOCTOR, NOON - timedelta(days=760), "completed", patient_id=CHILD)
        await publish_visit(service, CANCELLED_DOCTOR, NOON + timedelta(days=7), "cancelled", patient_id=CHILD)
        yield matrix


def expected_outcome(caller: str, column: str, operation: MatrixOperation) -> tuple[int, str | None, list[Line]]:
    """Return status, code and lines of the log that a cell of the table stands for."""
    expected, patient_id = MATRIX[caller][column], CALLERS[caller].patient_id
    if expected[:1].isdigit():
        status, _, code = expected.partition(" ")
        refused = [(patient_id, operation.refused, None, "refused")] if operation.refused and status != "401" else []
        return int(status), code or CODES[status], refused  # type: ignore[return-value]
    lines = [] if expected == "yes" else [(patient_id, operation.done, expected, "done")]
    return operation.status, None, lines  # type: ignore[return-value]


async def test_each_caller_gets_what_the_table_says_and_the_log_has_one_line_of_it(tmp_path: Path) -> None:
    async with run_matrix(tmp_path) as matrix:
        expected, actual, requests = dict[str, Any](), dict[str, Any](), dict[str, str]()
        for caller in MATRIX:
            for column, operations in COLUMNS.items():
                for operation in operations:
                    name = f"{caller}: {operation.method} {operation.path}"
                    request_id, response = await matrix.call(caller, operation)
                    code = response.json()["code"] if response.status_code >= 400 else None
                    requests[name], actual[name] = request_id, (response.status_code, code)
                    expected[name] = expected_outcome(caller, column, operation)
        lines = await matrix.lines()
        patients = {name: CALLERS[name.partition(":")[0]].patient_id for name in expected}
        assert {
            name: (*outcome, [line for line in lines.get(requests[name], []) if line[0] == patients[name]])
            for name, outcome in actual.items()
        } == expected


async def test_the_table_has_every_route_about_a_patient(tmp_path: Path) -> None:
    in_table = {(operation.method, operation.path.partition("?")[0]) for operations in COLUMNS.values() for operation in operations}
    async with run_matrix(tmp_path) as matrix:
        routes = [route for route in matrix.service.app.routes if isinstance(route, APIRoute)]
    about_patients = {(method, route.path) for route in routes if "_id}" in route.path for method in route.methods or ()}
    public = {route for route in about_patients if not route[1].startswith("/internal")}
    assert public == in_table | ELSEWHERE.keys()


async def test_internal_routes_about_a_patient_are_for_services_only(tmp_path: Path) -> None:
    async with run_matrix(tmp_path) as matrix:
        routes = [
            route for route in matrix.service.app.routes if isinstance(route, APIRoute) and route.path.startswith("/internal/patients")
        ]
        for route in routes:
            for name, caller in CALLERS.items():
                if name != "a service":
                    path = route.path.format(patient_id=CHILD, guardian_id=CHILD)
                    await matrix.send(next(iter(route.methods or ())), path, caller.headers, {}, 403 if caller.headers else 401)
        await matrix.send("GET", f"/internal/patients/{CHILD}", service_bearer("doctor-service"), status=403)
    assert len(routes) >= 5


def test_the_table_of_the_readme_has_these_callers_and_columns() -> None:
    assert list(MATRIX) == list(CALLERS)
    assert all(list(cells) == list(COLUMNS) for cells in MATRIX.values())


def test_the_readme_is_one_page() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES
