"""Patients without an account: walk-ins whom the clinic adds, and dependants for whom a guardian acts."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.events import PatientChanged
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
)
from tests.tokens import bearer

DEPENDANTS = "/patients/me/dependants"
MIA = {"full_name": "Mia Lee", "born_on": "2019-05-01", "relationship": "daughter"}
WALK_IN = {"full_name": "Jo Roe", "phone": "+49 30 7", "born_on": "1950-01-31", "email": "Jo@Example.com"}
ADMIN = bearer(Role.ADMIN)


async def add_dependant(service: RunningService, **changes: Any) -> httpx.Response:
    return await service.http.post(DEPENDANTS, json=MIA | changes, headers=SAMS_TOKEN)


async def add_walk_in(service: RunningService, headers: dict[str, str] = ADMIN, **changes: Any) -> httpx.Response:
    return await service.http.post("/patients", json=WALK_IN | changes, headers=headers)


async def test_a_walk_in_is_a_patient_with_an_address_and_no_account(patients: RunningService) -> None:
    created = await add_walk_in(patients)
    patient = created.json()
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    assert created.headers["location"] == f"/patients/{patient['id']}"
    absent = dict.fromkeys(("sex", "address", "emergency_contact", "preferred_contact")) | {"identifiers": []}
    defaults = {"time_zone": "UTC", "locale": "en", "reminders_consent": True}
    profile = WALK_IN | {"email": "jo@example.com"} | absent | defaults | {"id": patient["id"], "version": 1}
    assert patient == profile | {"possible_duplicates": [], "duplicates_complete": True}
    assert (await patients.http.get(created.headers["location"], headers=ADMIN)).json() == profile
    assert str((await list_events(patients, PatientChanged))[-1].patient_id) == patient["id"]
    (contact,) = await get_contacts(patients, patient["id"])
    assert (contact["email"], contact["guardian_ids"], contact["active"]) == ("jo@example.com", [], True)


async def test_reception_adds_walk_ins_and_still_sees_no_date_of_birth(patients: RunningService) -> None:
    created = await add_walk_in(patients, RECEPTION, time_zone="Asia/Tokyo", locale="fr")
    assert (created.status_code, created.json()["born_on"]) == (201, None)
    stored = (await patients.http.get(created.headers["location"], headers=ADMIN)).json()
    assert (stored["born_on"], stored["time_zone"], stored["locale"]) == ("1950-01-31", "Asia/Tokyo", "fr")
    name_only = await patients.http.post("/patients", json={"full_name": "Jo"}, headers=RECEPTION)
    assert (name_only.status_code, name_only.json()["email"]) == (201, None)


async def test_the_same_key_adds_one_walk_in(patients: RunningService) -> None:
    first, again = [await add_walk_in(patients, ADMIN | {"Idempotency-Key": "a"}) for _ in range(2)]
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"email": "nobody"}, "not_an_email"),
        ({"born_on": "2026-03-03"}, "born_later"),
        ({"full_name": "Jo\nRoe"}, "control_character"),
        ({"time_zone": "Mars/Base"}, "unknown_time_zone"),
        ({"possible_duplicates": []}, "validation_failed"),
    ],
)
async def test_a_walk_in_with_a_wrong_field_is_refused(patients: RunningService, changes: dict[str, Any], code: str) -> None:
    refused = await add_walk_in(patients, **changes)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_only_staff_add_walk_ins(patients: RunningService) -> None:
    for headers, status in ((SAMS_TOKEN, 403), (bearer(Role.DOCTOR), 403), ({}, 401)):
        assert (await add_walk_in(patients, headers)).status_code == status


async def test_a_dependant_is_a_patient_whose_mails_go_to_the_guardian(patients: RunningService) -> None:
    created = await add_dependant(patients)
    mia = created.json()
    assert (created.status_code, mia) == (201, MIA | {"id": mia["id"]})
    assert created.headers["location"] == f"{DEPENDANTS}/{mia['id']}"
    assert (await patients.http.get(created.headers["location"], headers=SAMS_TOKEN)).json() == mia
    assert (await patients.http.get(DEPENDANTS, headers=SAMS_TOKEN)).json() == {"items": [mia], "next": None}
    (contact,) = await get_contacts(patients, mia["id"])
    assert (contact["guardian_ids"], contact["email"], contact["version"]) == ([str(SAM)], None, 1)
    assert (contact["time_zone"], contact["locale"]) == ("Europe/Berlin", "de"), "as the guardian's"
    assert (await get_contacts(patients, SAM))[0]["guardian_ids"] == []


async def test_a_new_dependant_has_the_preferences_of_the_guardian(patients: RunningService) -> None:
    chosen = {"reminder_offsets_minutes": [120], "reminders_consent": False, "quiet_hours": {"from": "22:00", "to": "07:00"}}
    await patients.http.put("/patients/me/preferences", json=chosen, headers=SAMS_TOKEN | {"If-Match": '"1"'})
    (contact,) = await get_contacts(patients, (await add_dependant(patients)).json()["id"])
    assert (contact["reminder_offsets_minutes"], contact["reminders_consent"], contact["preferences_version"]) == ([120], False, 1)
    assert contact["quiet_hours"] == {"since": "22:00:00", "until": "07:00:00"}


async def test_who_stops_acting_for_a_dependant_gets_no_more_mails_and_the_profile_stays(patients: RunningService) -> None:
    mia = (await add_dependant(patients)).json()["id"]
    assert (await patients.http.delete(f"{DEPENDANTS}/{mia}", headers=SAMS_TOKEN)).status_code == 204
    assert (await patients.http.get(DEPENDANTS, headers=SAMS_TOKEN)).json()["items"] == []
    (contact,) = await get_contacts(patients, mia)
    assert (contact["guardian_ids"], contact["version"], contact["full_name"]) == ([], 2, "Mia Lee")
    announced = [event.version for event in await list_events(patients, PatientChanged) if str(event.patient_id) == mia]
    assert announced == [1, 2]
    for method in ("GET", "DELETE"):
        gone = await patients.http.request(method, f"{DEPENDANTS}/{mia}", headers=SAMS_TOKEN)
        assert (gone.status_code, gone.json()["code"]) == (404, "no_such_patient")


async def test_dependants_of_others_are_neither_shown_nor_changed(patients: RunningService) -> None:
    mia = (await add_dependant(patients)).json()["id"]
    await create_profile(patients, OTHER)
    kim = bearer(Role.PATIENT, OTHER)
    assert (await patients.http.get(DEPENDANTS, headers=kim)).json()["items"] == []
    for method in ("GET", "DELETE"):
        assert (await patients.http.request(method, f"{DEPENDANTS}/{mia}", headers=kim)).status_code == 404
    assert (await get_contacts(patients, mia))[0]["guardian_ids"] == [str(SAM)]
    for headers, status in ((bearer(Role.ADMIN), 403), ({}, 401), (bearer(Role.PATIENT, UUID(int=77)), 404)):
        assert (await patients.http.post(DEPENDANTS, json=MIA, headers=headers)).status_code == status


async def test_one_account_acts_for_twenty_dependants_at_most_also_at_the_same_moment(patients: RunningService) -> None:
    for number in range(18):
        assert (await add_dependant(patients, full_name=f"Child {number}")).status_code == 201
    responses = await asyncio.gather(*(add_dependant(patients) for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [201, 201, 409, 409]
    refused = next(response.json() for response in responses if response.status_code == 409)
    assert (refused["code"], refused["limit"]) == ("too_many_dependants", 20)
    names, path = [], f"{DEPENDANTS}?limit=7"
    while path:
        page = await patients.http.get(path, headers=SAMS_TOKEN)
        names += [item["full_name"] for item in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert len(names) == 20
    assert names[:18] == [f"Child {number}" for number in range(18)]


async def test_the_same_key_adds_one_dependant(patients: RunningService) -> None:
    headers = SAMS_TOKEN | {"Idempotency-Key": "a"}
    first, again = [await patients.http.post(DEPENDANTS, json=MIA, headers=headers) for _ in range(2)]
    assert again.json() == first.json()
    assert len((await patients.http.get(DEPENDANTS, headers=SAMS_TOKEN)).json()["items"]) == 1


async def test_a_dependant_was_not_born_in_the_future(patients: RunningService) -> None:
    refused = await add_dependant(patients, born_on="2026-03-03")
    assert (refused.status_code, refused.json()["code"]) == (422, "born_later")
    assert (await add_dependant(patients, born_on=None)).status_code == 422
