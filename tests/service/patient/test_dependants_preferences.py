"""Guardians read and change the preferences of their dependants, above all whether anybody is reminded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.events import AuditRecorded, PatientChanged, PreferencesChanged
from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.patient.running_patient import (
    OTHER,
    RECEPTION,
    SAM,
    SAMS_TOKEN,
    create_profile,
    get_contacts,
    list_events,
    run_patient_service,
)
from tests.tokens import bearer

KIM = bearer(Role.PATIENT, OTHER)
MIA = {"full_name": "Mia Lee", "born_on": "2019-05-01"}
DEFAULTS = {"channels": ["email"], "reminder_offsets_minutes": None, "quiet_hours": None, "locale": "de"}


@pytest.fixture
async def service(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB, with two patients."""
    async with run_patient_service(tmp_path, database_url=sql_url) as running:
        for patient_id in (SAM, OTHER):
            await create_profile(running, patient_id)
        yield running


async def add_mia(service: RunningService, guardian: dict[str, str] = SAMS_TOKEN) -> str:
    """Add a dependant, and forget the events of it."""
    mia = (await service.http.post("/patients/me/dependants", json=MIA, headers=guardian)).json()["id"]
    await service.run_until_idle()
    service.published.clear()
    return str(mia)


def path_of(dependant_id: object) -> str:
    return f"/patients/me/dependants/{dependant_id}/preferences"


async def put(
    service: RunningService, dependant_id: object, tag: str, headers: dict[str, str] = SAMS_TOKEN, **fields: Any
) -> httpx.Response:
    return await service.http.put(path_of(dependant_id), json=fields, headers=headers | {"If-Match": f'"{tag}"'})


async def lines_of(service: RunningService) -> list[tuple[str, str | None, str]]:
    return [(line.action, line.relation, line.outcome) for line in await list_events(service, AuditRecorded)]


async def test_a_guardian_without_consent_can_have_reminders_for_a_dependant_and_end_them_again(service: RunningService) -> None:
    own = SAMS_TOKEN | {"If-Match": '"1"'}
    assert (await service.http.put("/patients/me/preferences", json={"reminders_consent": False}, headers=own)).status_code == 200
    mia = await add_mia(service)
    read = await service.http.get(path_of(mia), headers=SAMS_TOKEN)
    assert (read.json(), read.headers["etag"]) == (DEFAULTS | {"reminders_consent": False, "version": 1}, '"1"')

    for number, consent in enumerate((True, False), start=1):
        changed = await put(service, mia, str(number), reminders_consent=consent)
        assert (changed.status_code, changed.headers["etag"]) == (200, f'"{number + 1}"')
        assert changed.json() == DEFAULTS | {"reminders_consent": consent, "version": number + 1}
        (contact,) = await get_contacts(service, mia)
        assert (contact["reminders_consent"], contact["version"], contact["preferences_version"]) == (consent, number + 1, number + 1)

    (sam,) = await get_contacts(service, SAM)
    assert sam["reminders_consent"] is False, "the guardian's own preferences stay"
    assert [(str(event.patient_id), event.version) for event in await list_events(service, PreferencesChanged)] == [(mia, 2), (mia, 3)]
    assert [(str(event.patient_id), event.version) for event in await list_events(service, PatientChanged)] == [(mia, 2), (mia, 3)]


async def test_what_a_guardian_reads_and_changes_is_recorded_and_a_repeated_change_is_a_read(service: RunningService) -> None:
    mia = await add_mia(service)
    await service.http.get(path_of(mia), headers=SAMS_TOKEN)
    assert (await put(service, mia, "1", reminders_consent=False)).status_code == 200
    assert (await put(service, mia, "2", reminders_consent=False)).headers["etag"] == '"2"'
    actions = ["dependant.read", "dependant.change", "dependant.read"]
    assert await lines_of(service) == [(action, "guardian", "done") for action in actions]


async def test_a_change_needs_the_version_that_was_read(service: RunningService) -> None:
    mia = await add_mia(service)
    missing = await service.http.put(path_of(mia), json={}, headers=SAMS_TOKEN)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    assert (await put(service, mia, "1", quiet_hours={"from": "22:00", "to": "07:00"})).status_code == 200
    stale = await put(service, mia, "1", reminders_consent=False)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert (await put(service, mia, "2", reminders_consent=None)).status_code == 422
    assert (await get_contacts(service, mia))[0]["reminders_consent"] is True


async def test_a_former_guardian_and_everybody_else_get_404_and_staff_403(service: RunningService) -> None:
    mia = await add_mia(service)
    second = {"guardian_id": str(OTHER)}
    assert (await service.http.post(f"/patients/{mia}/guardians", json=second, headers=RECEPTION)).status_code == 201
    assert (await put(service, mia, "1", KIM, reminders_consent=False)).status_code == 200
    assert (await service.http.delete(f"/patients/me/dependants/{mia}", headers=KIM)).status_code == 204
    await service.run_until_idle()
    service.published.clear()

    for headers, patient_id, status in ((KIM, mia, 404), (SAMS_TOKEN, SAM, 404), (SAMS_TOKEN, UUID(int=404), 404), (RECEPTION, mia, 403)):
        read = await service.http.get(path_of(patient_id), headers=headers)
        changed = await put(service, patient_id, "2", headers, reminders_consent=True)
        assert (read.status_code, changed.status_code) == (status, status)

    refused = [("dependant.read", None, "refused"), ("dependant.change", None, "refused")]
    assert await lines_of(service) == refused * 3, "about the dependant by two callers, and about the patient who is no dependant"
    assert (await get_contacts(service, mia))[0]["reminders_consent"] is False
