"""A running patient-service in the test's process, with the profile of one patient, and the calls that tests make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx

from shared.contracts.events import AuditRecorded, Event, PatientChanged, PreferencesChanged
from shared.contracts.identity import Role
from tests.running import RunningService, run_service
from tests.tokens import bearer, service_bearer

E = TypeVar("E", bound=Event)
SAM, DOCTOR, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
SAMS_TOKEN, AUTH = bearer(Role.PATIENT, SAM), service_bearer("auth-service")
NOTIFICATION, RECEPTION = service_bearer("notification-service"), bearer(Role.RECEPTION)
PROFILE = {"full_name": "Sam Lee", "phone": "+49 30 123456", "time_zone": "Europe/Berlin", "locale": "de"}


@asynccontextmanager
async def run_patient_service(folder: Path, **settings: Any) -> AsyncIterator[RunningService]:
    """Run patient-service on a database in `folder`, or on the one in `database_url`, with the profile of Sam."""
    events = (PatientChanged, PreferencesChanged, AuditRecorded)
    settings = {"upstream": answer_no_treatment} | settings
    async with run_service("patient_svc", folder, record_events=events, **settings) as service:
        await create_profile(service, SAM, **PROFILE)
        await service.run_until_idle()  # no transaction is open when a test changes the database behind the service's back
        yield service


def is_merge(request: httpx.Request) -> bool:
    """Return whether the request tells scheduling-service of a merge."""
    return request.method == "PUT" and request.url.path.endswith("/merge")


def answer_no_treatment(request: httpx.Request) -> httpx.Response:
    """Answer as other services do where there are no appointments and no accounts, and a merge concerns no time."""
    if is_merge(request):
        return httpx.Response(204)
    if request.url.path == "/internal/account-search":
        return httpx.Response(200, json={"account_ids": []})
    assert request.url.path == "/internal/appointments"
    return httpx.Response(200, json={"items": [], "next": None})


async def create_profile(service: RunningService, patient_id: UUID, **fields: Any) -> None:
    """Create a profile as auth-service does."""
    body = {"full_name": "Kim Lee"} | fields
    assert (await service.http.put(f"/internal/patients/{patient_id}", json=body, headers=AUTH)).status_code == 200


async def update_profile(service: RunningService, version: int, **changes: Any) -> httpx.Response:
    """Change Sam's profile."""
    return await service.http.patch("/patients/me", json=changes, headers=SAMS_TOKEN | {"If-Match": f'"{version}"'})


async def get_contacts(service: RunningService, *ids: Any) -> list[dict[str, Any]]:
    """Return the contacts of some patients, by id."""
    response = await service.http.post("/internal/contacts", json={"ids": list(map(str, ids))}, headers=NOTIFICATION)
    assert response.status_code == 200, response.text
    return sorted(response.json()["items"], key=lambda contact: str(contact["id"]))


async def list_events(service: RunningService, event_type: type[E]) -> list[E]:
    """Return the events of a type that were published so far."""
    await service.run_until_idle()
    return [event for event in service.published if isinstance(event, event_type)]
