"""What admin-service asks for the patients of a file: checking one, and creating one who does not exist."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.events import AuditRecorded, PatientChanged
from tests.running import RunningService
from tests.service.patient.running_patient import list_events
from tests.service.patient.test_staff_patients import ADMIN, CARD
from tests.tokens import service_bearer

ADMIN_SERVICE = service_bearer("admin-service")
BY = {"id": str(UUID(int=7)), "role": "admin"}
MINA: dict[str, Any] = {"full_name": "Mina Park", "born_on": "1984-06-02", "identifiers": [CARD], "by": BY}


async def put(patients: RunningService, patient_id: UUID, body: dict[str, Any]) -> httpx.Response:
    return await patients.http.put(f"/internal/imported-patients/{patient_id}", json=body, headers=ADMIN_SERVICE)


async def check(patients: RunningService, patient_id: UUID, body: dict[str, Any], query: str = "") -> httpx.Response:
    path = f"/internal/imported-patients/{patient_id}/check{query}"
    return await patients.http.post(path, json=body, headers=ADMIN_SERVICE)


async def test_a_patient_of_a_file_is_created_once_for_the_admin(patients: RunningService) -> None:
    patient_id = uuid4()
    assert (await check(patients, patient_id, MINA)).json() == {"exists": False}
    assert [(await put(patients, patient_id, MINA)).status_code for _ in range(2)] == [204, 204]
    assert (await check(patients, patient_id, MINA)).json() == {"exists": True}
    read = (await patients.http.get(f"/patients/{patient_id}", headers=ADMIN)).json()
    assert (read["full_name"], read["born_on"], read["identifiers"]) == ("Mina Park", "1984-06-02", [CARD])
    assert len([event for event in await list_events(patients, PatientChanged) if event.patient_id == patient_id]) == 1
    created = [event for event in await list_events(patients, AuditRecorded) if event.subject_id == patient_id]
    assert next((event.action, event.actor_id) for event in created) == ("profile.create", UUID(int=7))


async def test_a_trial_creates_nobody_and_says_whose_identifier_is_taken(patients: RunningService) -> None:
    first, second = uuid4(), uuid4()
    assert (await check(patients, first, MINA, "?trial=true")).json() == {"exists": False}
    assert (await patients.http.get(f"/patients/{first}", headers=ADMIN)).status_code == 404
    await put(patients, first, MINA)
    for refused in (await check(patients, second, MINA, "?trial=true"), await put(patients, second, MINA)):
        assert (refused.status_code, refused.json()["code"]) == (409, "identifier_taken")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"born_on": "2199-01-01"}, "born_later"), ({"full_name": " "}, "control_character"), ({"wage": "1"}, "validation_failed")],
    ids=["born-later", "no-name", "unknown"],
)
async def test_a_row_that_cannot_be_used_is_refused_as_the_post_refuses_it(
    patients: RunningService, changes: dict[str, Any], code: str
) -> None:
    for refused in (await check(patients, uuid4(), MINA | changes), await put(patients, uuid4(), MINA | changes)):
        assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_only_admin_service_imports(patients: RunningService) -> None:
    path = f"/internal/imported-patients/{uuid4()}"
    for headers in (ADMIN, service_bearer("auth-service")):
        assert (await patients.http.put(path, json=MINA, headers=headers)).status_code == 403
