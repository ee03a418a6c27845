"""What patients decide about their reminders, and the language, which preferences and profile share."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.events import PatientChanged, PreferencesChanged
from shared.contracts.identity import Role
from tests.running import NOON, RunningService
from tests.service.patient.running_patient import (
    NOTIFICATION,
    OTHER,
    SAM,
    SAMS_TOKEN,
    create_profile,
    get_contacts,
    list_events,
    run_patient_service,
    update_profile,
)
from tests.tokens import bearer, service_bearer

PATH = "/patients/me/preferences"
DEFAULTS = {"channels": ["email"], "reminder_offsets_minutes": None, "quiet_hours": None, "reminders_consent": True}
NIGHT = {"from": "22:00", "to": "07:30"}


async def put(service: RunningService, version: int, **fields: Any) -> httpx.Response:
    return await service.http.put(PATH, json=fields, headers=SAMS_TOKEN | {"If-Match": f'"{version}"'})


async def test_new_patients_have_the_defaults_with_a_version(patients: RunningService) -> None:
    response = await patients.http.get(PATH, headers=SAMS_TOKEN)
    assert response.json() == DEFAULTS | {"locale": "de", "version": 1}
    assert (response.headers["etag"], response.headers["cache-control"]) == ('"1"', "no-store")


async def test_preferences_are_replaced_announced_and_read_by_other_services(patients: RunningService) -> None:
    sent = {"channels": ["email"], "reminder_offsets_minutes": [60, 2880], "quiet_hours": NIGHT, "locale": "de"}
    replaced = await put(patients, 1, **sent)
    assert replaced.json() == DEFAULTS | sent | {"reminder_offsets_minutes": [2880, 60], "version": 2}
    assert replaced.headers["etag"] == '"2"'
    assert (await patients.http.get(PATH, headers=SAMS_TOKEN)).json() == replaced.json()
    assert [(event.patient_id, event.version) for event in await list_events(patients, PreferencesChanged)] == [(SAM, 2)]
    (contact,) = await get_contacts(patients, SAM)
    assert (contact["reminder_offsets_minutes"], contact["preferences_version"], contact["version"]) == ([2880, 60], 2, 1)
    assert contact["quiet_hours"] == {"since": "22:00:00", "until": "07:30:00"}


async def test_other_services_know_when_the_offsets_were_changed_last(patients: RunningService) -> None:
    steps: list[tuple[dict[str, Any], int | None]] = [
        ({"quiet_hours": NIGHT}, None),
        ({"reminder_offsets_minutes": [60]}, 2),
        ({"reminder_offsets_minutes": [60], "quiet_hours": NIGHT}, 2),
        ({"reminder_offsets_minutes": None, "quiet_hours": NIGHT}, 4),
    ]
    for version, (fields, changed_after) in enumerate(steps, start=1):
        patients.clock.set(NOON + timedelta(hours=version))
        assert (await put(patients, version, **fields)).status_code == 200
        (contact,) = await get_contacts(patients, SAM)
        assert contact["offsets_changed_at"] == (f"2026-03-02T{12 + changed_after}:00:00Z" if changed_after else None)


async def test_no_reminders_and_those_of_the_next_level_are_different_choices(patients: RunningService) -> None:
    assert (await put(patients, 1, reminder_offsets_minutes=[])).json()["reminder_offsets_minutes"] == []
    assert (await get_contacts(patients, SAM))[0]["reminder_offsets_minutes"] == []
    assert (await put(patients, 2, reminder_offsets_minutes=None)).json()["reminder_offsets_minutes"] is None
    assert (await get_contacts(patients, SAM))[0]["reminder_offsets_minutes"] is None


async def test_what_was_read_can_be_changed_and_sent_back(patients: RunningService) -> None:
    read = (await patients.http.get(PATH, headers=SAMS_TOKEN)).json()
    headers = SAMS_TOKEN | {"If-Match": '"1"'}
    replaced = await patients.http.put(PATH, json=read | {"reminder_offsets_minutes": [30]}, headers=headers)
    assert replaced.json() == read | {"reminder_offsets_minutes": [30], "version": 2}


async def test_the_same_preferences_again_make_no_new_version(patients: RunningService) -> None:
    for version in (1, 2):
        same = await put(patients, version, reminder_offsets_minutes=[60, 120], quiet_hours=NIGHT, locale="de")
        assert same.json()["version"] == 2
    assert len(await list_events(patients, PreferencesChanged)) == 1


async def test_the_language_is_the_profiles_through_either_door_and_moves_both_versions(patients: RunningService) -> None:
    assert (await put(patients, 1, locale="fr")).json() == DEFAULTS | {"locale": "fr", "version": 2}
    profile = (await patients.http.get("/patients/me", headers=SAMS_TOKEN)).json()
    assert (profile["locale"], profile["version"]) == ("fr", 2)
    assert (await update_profile(patients, 2, locale="es")).json()["version"] == 3
    assert (await patients.http.get(PATH, headers=SAMS_TOKEN)).json() == DEFAULTS | {"locale": "es", "version": 3}
    assert [event.version for event in await list_events(patients, PreferencesChanged)] == [2, 3]
    assert [event.version for event in await list_events(patients, PatientChanged)] == [1, 2, 3]


async def test_a_profile_that_changes_otherwise_leaves_the_preferences(patients: RunningService) -> None:
    await update_profile(patients, 1, phone="+49 30 99")
    assert (await patients.http.get(PATH, headers=SAMS_TOKEN)).headers["etag"] == '"1"'
    await put(patients, 1, reminder_offsets_minutes=[])
    assert (await patients.http.get("/patients/me", headers=SAMS_TOKEN)).headers["etag"] == '"2"'


async def test_a_language_that_is_left_out_stays_and_null_stands_for_the_clinics(tmp_path: Path) -> None:
    async with run_patient_service(tmp_path, locale="fr") as patients:
        assert (await put(patients, 1, reminder_offsets_minutes=[60])).json()["locale"] == "de"
        assert (await put(patients, 2, locale=None)).json()["locale"] == "fr"
        assert (await patients.http.get("/patients/me", headers=SAMS_TOKEN)).json()["locale"] == "fr"
        assert (await update_profile(patients, 2, locale="de")).json()["locale"] == "de"
        assert (await update_profile(patients, 3, locale=None)).json()["locale"] == "fr"


async def test_who_gives_no_language_follows_the_clinic_when_it_changes(tmp_path: Path) -> None:
    kim = bearer(Role.PATIENT, OTHER)
    for locale in ("fr", "es"):
        async with run_patient_service(tmp_path, locale=locale) as patients:
            await create_profile(patients, OTHER)
            for path in (PATH, "/patients/me"):
                assert (await patients.http.get(path, headers=kim)).json()["locale"] == locale
            summary = await patients.http.get(f"/internal/patients/{OTHER}", headers=NOTIFICATION)
            assert summary.json()["locale"] == locale


async def test_the_consent_to_reminders_is_the_profiles_and_stays_when_it_is_left_out(patients: RunningService) -> None:
    withdrawn = await put(patients, 1, reminders_consent=False, locale="de")
    assert withdrawn.json() == DEFAULTS | {"reminders_consent": False, "locale": "de", "version": 2}
    assert (await put(patients, 2, reminder_offsets_minutes=[60])).json()["reminders_consent"] is False
    profile = (await patients.http.get("/patients/me", headers=SAMS_TOKEN)).json()
    assert (profile["reminders_consent"], profile["version"]) == (False, 2)
    assert (await get_contacts(patients, SAM))[0]["reminders_consent"] is False
    assert (await update_profile(patients, 2, reminders_consent=True)).json()["reminders_consent"] is True
    assert (await patients.http.get(PATH, headers=SAMS_TOKEN)).headers["etag"] == '"4"'
    assert [event.version for event in await list_events(patients, PreferencesChanged)] == [2, 3, 4]
    assert [event.version for event in await list_events(patients, PatientChanged)] == [1, 2, 3]


async def test_a_consent_that_is_given_again_wants_no_reminder_that_was_due_before(patients: RunningService) -> None:
    patients.clock.set(NOON + timedelta(hours=1))
    await put(patients, 1, reminders_consent=False)
    for hour, version, change in ((2, 2, put), (3, 3, update_profile)):
        patients.clock.set(NOON + timedelta(hours=hour))
        assert (await change(patients, version, reminders_consent=hour == 2)).status_code == 200
        assert (await get_contacts(patients, SAM))[0]["offsets_changed_at"] == f"2026-03-02T{12 + hour}:00:00Z"


async def test_the_preconditions_of_new_preferences(patients: RunningService) -> None:
    assert (await patients.http.put(PATH, json={}, headers=SAMS_TOKEN)).status_code == 428
    stale = await put(patients, 7)
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale_version", 1)
    assert (await patients.http.get(PATH)).status_code == 401
    for role, status in ((Role.DOCTOR, 403), (Role.ADMIN, 403), (Role.PATIENT, 404)):
        assert (await patients.http.get(PATH, headers=bearer(role))).status_code == status


async def test_of_several_changes_of_one_version_one_is_made(patients: RunningService) -> None:
    responses = await asyncio.gather(*(put(patients, 1, reminder_offsets_minutes=[minutes]) for minutes in range(15, 21)))
    assert sorted(response.status_code for response in responses) == [200] + [412] * 5
    assert len(await list_events(patients, PreferencesChanged)) == 1


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("reminder_offsets_minutes", [14], "greater_than_equal"),
        ("reminder_offsets_minutes", [20161], "less_than_equal"),
        ("reminder_offsets_minutes", [60, 60], "duplicate_item"),
        ("reminder_offsets_minutes", ["60"], "int_type"),
        ("reminder_offsets_minutes", [20, 30, 40, 50, 60, 70], "too_long"),
        ("quiet_hours", {"from": "22:00", "to": "22:00"}, "empty_quiet_hours"),
        ("quiet_hours", {"from": "24:00", "to": "07:00"}, "string_pattern_mismatch"),
        ("quiet_hours", {"from": "22:00"}, "missing"),
        ("channels", [], "too_short"),
        ("channels", ["sms"], "literal_error"),
        ("channels", ["email", "email"], "too_long"),
        ("locale", "english please", "string_pattern_mismatch"),
        ("reminders", [], "extra_forbidden"),
        ("reminders_consent", None, "bool_type"),
        ("reminders_consent", "yes", "bool_type"),
    ],
)
async def test_preferences_that_make_no_sense_are_refused_and_nothing_changes(
    patients: RunningService, field: str, value: Any, code: str
) -> None:
    refused = await put(patients, 1, **{field: value})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)
    assert refused.json()["errors"][0]["pointer"].startswith(f"/{field}")
    assert (await patients.http.get(PATH, headers=SAMS_TOKEN)).json() == DEFAULTS | {"locale": "de", "version": 1}


async def test_the_link_in_a_mail_ends_reminders_and_changes_nothing_else(patients: RunningService) -> None:
    await put(patients, 1, reminder_offsets_minutes=[60], quiet_hours=NIGHT)
    path = f"/internal/patients/{SAM}/end-reminders"
    for _ in range(2):
        assert (await patients.http.post(path, headers=NOTIFICATION)).status_code == 204
    after = DEFAULTS | {"reminder_offsets_minutes": [], "quiet_hours": NIGHT, "locale": "de", "version": 3}
    assert (await patients.http.get(PATH, headers=SAMS_TOKEN)).json() == after
    assert [event.version for event in await list_events(patients, PreferencesChanged)] == [2, 3]
    assert (await patients.http.post(path, headers=service_bearer("appointment-service"))).status_code == 403
    assert (await patients.http.post(f"/internal/patients/{UUID(int=77)}/end-reminders", headers=NOTIFICATION)).status_code == 404
