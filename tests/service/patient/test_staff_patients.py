"""What staff change in profiles: identifiers, contact fields, and new patients who may exist already."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from patient_svc.domain.duplicates import MAX_CANDIDATES, MAX_DUPLICATES
from patient_svc.domain.patients import Patient
from patient_svc.usecases.staff_patients import StaffPatients
from shared.contracts.events import AuditRecorded, PatientChanged
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import RunningService
from tests.service.patient.running_patient import (
    OTHER,
    RECEPTION,
    SAM,
    SAMS_TOKEN,
    create_profile,
    list_events,
    run_patient_service,
    update_profile,
)
from tests.tokens import bearer

ADMIN = bearer(Role.ADMIN)
CARD = {"system": "urn:oid:1.2.276.0.76.4.8", "value": "A123456780"}
OTHER_CARD = CARD | {"value": "B123456780"}


async def add(service: RunningService, headers: dict[str, str] = RECEPTION, **fields: Any) -> dict[str, Any]:
    created = await service.http.post("/patients", json={"full_name": "Jo Roe"} | fields, headers=headers)
    assert created.status_code == 201, created.text
    return dict(created.json())


async def change(service: RunningService, patient_id: Any, version: int, headers: dict[str, str] = ADMIN, **fields: Any) -> httpx.Response:
    return await service.http.patch(f"/patients/{patient_id}", json=fields, headers=headers | {"If-Match": f'"{version}"'})


async def list_accesses(service: RunningService, patient_id: Any) -> list[tuple[str, str | None, str]]:
    """Return the audit events of a patient that were published so far: action, relation, outcome."""
    lines = [event for event in await list_events(service, AuditRecorded) if str(event.subject_id) == str(patient_id)]
    return [(line.action, line.relation, line.outcome) for line in lines]


async def test_staff_give_a_patient_identifiers_which_the_patient_reads_and_does_not_change(patients: RunningService) -> None:
    changed = await change(patients, SAM, 1, RECEPTION, identifiers=[CARD, OTHER_CARD])
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (await patients.http.get("/patients/me", headers=SAMS_TOKEN)).json()["identifiers"] == [CARD, OTHER_CARD]
    refused = await update_profile(patients, 2, identifiers=[])
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "extra_forbidden")
    assert (await change(patients, SAM, 2, identifiers=[OTHER_CARD])).json()["identifiers"] == [OTHER_CARD]
    assert (await change(patients, SAM, 3, identifiers=[OTHER_CARD])).json()["version"] == 3


async def test_two_patients_cannot_have_the_same_identifier(patients: RunningService) -> None:
    jo = await add(patients, identifiers=[CARD])
    for refused in (
        await patients.http.post("/patients", json={"full_name": "Al", "identifiers": [OTHER_CARD, CARD]}, headers=RECEPTION),
        await change(patients, SAM, 1, identifiers=[OTHER_CARD, CARD]),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "identifier_taken")
        assert refused.json()["patient_id"] == jo["id"]
        assert refused.json()["errors"][0]["pointer"] == "/identifiers/1"
    assert (await patients.http.get("/patients?q=B123456780", headers=ADMIN)).json()["items"] == [], "nothing was written"
    assert (await change(patients, SAM, 1, identifiers=[CARD | {"system": "urn:other"}])).status_code == 200
    await change(patients, jo["id"], 1, identifiers=[])
    assert (await change(patients, SAM, 2, identifiers=[CARD])).status_code == 200, "it is free again"


async def test_of_several_new_patients_with_one_identifier_one_is_created(patients: RunningService) -> None:
    body = {"full_name": "Jo", "identifiers": [CARD]}
    responses = await asyncio.gather(*(patients.http.post("/patients", json=body, headers=RECEPTION) for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
    assert len((await patients.http.get("/patients?q=A123456780", headers=ADMIN)).json()["items"]) == 1


@pytest.mark.parametrize(
    ("identifiers", "code"),
    [
        ([CARD, CARD], "duplicate_item"),
        ([CARD | {"system": "card"}], "string_pattern_mismatch"),
        ([CARD | {"system": "urn:" + "x" * 200}], "string_too_long"),
        ([CARD | {"value": "x" * 101}], "too_long"),
        ([CARD | {"value": " "}], "control_character"),
        ([CARD | {"kind": "card"}], "extra_forbidden"),
        ([{"system": "urn:x"}], "missing"),
        ([CARD | {"value": str(number)} for number in range(11)], "too_long"),
        (None, "null_not_allowed"),
    ],
)
async def test_identifiers_without_the_right_form_are_refused(patients: RunningService, identifiers: Any, code: str) -> None:
    refused = await change(patients, SAM, 1, identifiers=identifiers)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)


CONTACT_FIELDS: dict[str, Any] = {
    "phone": "+49 30 77",
    "address": {"line1": "Main St 1", "line2": None, "city": "Berlin", "postal_code": None, "region": None, "country": "DE"},
    "emergency_contact": {"full_name": "Kim Lee", "phone": "+49 1 2345", "relationship": None},
    "preferred_contact": "phone",
    "reminders_consent": False,
    "time_zone": "Asia/Tokyo",
    "locale": "fr",
    "identifiers": [CARD],
}


@pytest.mark.parametrize("field", [*CONTACT_FIELDS])
async def test_reception_changes_contact_fields_and_the_patient_is_told(patients: RunningService, field: str) -> None:
    changed = await change(patients, SAM, 1, RECEPTION, **{field: CONTACT_FIELDS[field]})
    assert (changed.status_code, changed.json()[field], changed.json()["version"]) == (200, CONTACT_FIELDS[field], 2)
    assert [event.version for event in await list_events(patients, PatientChanged)] == [1, 2]
    assert await list_accesses(patients, SAM) == [("profile.change", "reception", "done")]


@pytest.mark.parametrize(
    ("field", "value"), [("full_name", "Sam Low"), ("born_on", "1990-05-01"), ("sex", "other"), ("born_on", None)], ids=str
)
async def test_who_the_patient_is_only_admins_change(patients: RunningService, field: str, value: str | None) -> None:
    refused = await change(patients, SAM, 1, RECEPTION, **{field: value, "phone": "+49 1"})
    assert (refused.status_code, refused.json()["code"], refused.json()["fields"]) == (403, "contact_fields_only", [field])
    changed = await change(patients, SAM, 1, ADMIN, **{field: value, "phone": "+49 1"})
    assert (changed.status_code, changed.json()[field]) == (200, value)
    assert await list_accesses(patients, SAM) == [("profile.change", None, "refused"), ("profile.change", "admin", "done")]


async def test_reception_still_sees_neither_date_of_birth_nor_sex_when_it_changes_a_profile(patients: RunningService) -> None:
    await update_profile(patients, 1, born_on="1990-05-01", sex="female")
    changed = (await change(patients, SAM, 2, RECEPTION, phone="+49 1")).json()
    assert (changed["born_on"], changed["sex"]) == (None, None)
    stored = (await patients.http.get("/patients/me", headers=SAMS_TOKEN)).json()
    assert (stored["born_on"], stored["sex"]) == ("1990-05-01", "female")


async def test_the_address_of_an_account_is_changed_with_the_account(patients: RunningService) -> None:
    refused = await change(patients, SAM, 1, email="sam@example.com")
    assert (refused.status_code, refused.json()["code"]) == (409, "address_of_account")
    jo = await add(patients, email="jo@example.com")
    assert (await change(patients, jo["id"], 1, RECEPTION, email="Joe@example.com")).json()["email"] == "joe@example.com"
    assert (await change(patients, jo["id"], 2, RECEPTION, email=None)).json()["email"] is None


async def test_the_preconditions_of_a_change_by_staff(patients: RunningService) -> None:
    assert (await patients.http.patch(f"/patients/{SAM}", json={}, headers=ADMIN)).status_code == 428
    stale = await change(patients, SAM, 7, phone="+49 1")
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert (await change(patients, UUID(int=77), 1, phone="+49 1")).status_code == 404
    assert (await change(patients, SAM, 1, born_on="2026-03-03")).json()["code"] == "born_later"
    for headers, status in ((SAMS_TOKEN, 403), (bearer(Role.DOCTOR), 403), ({}, 401)):
        assert (await change(patients, SAM, 1, headers, phone="+49 1")).status_code == status
    assert await list_accesses(patients, SAM) == [("profile.change", None, "refused")] * 2, "a patient and a doctor"


async def test_a_new_patient_comes_with_those_who_may_be_the_same_person(patients: RunningService) -> None:
    first = await add(patients, ADMIN, full_name="Jo Roe", born_on="1950-01-31", phone="+49 30 1234567")
    assert first["possible_duplicates"] == []
    same = await add(patients, ADMIN, full_name="roe jo", born_on="1950-01-31", phone="030 1234567")
    reasons = ["same_name", "same_born_on", "same_phone"]
    shown = {name: first[name] for name in ("id", "full_name", "born_on", "phone")}
    assert same["possible_duplicates"] == [shown | {"reasons": reasons}]
    similar = await add(patients, RECEPTION, full_name="Jo Rowe", born_on="1950-01-31")
    assert [item["reasons"] for item in similar["possible_duplicates"]] == [["similar_name", "same_born_on"]] * 2
    assert [item["born_on"] for item in similar["possible_duplicates"]] == [None] * 2, "reception sees no day of birth"
    assert (await add(patients, full_name="Al Bo", born_on="1950-01-31"))["possible_duplicates"] == []
    assert await list_accesses(patients, first["id"]) == [
        ("profile.create", "admin", "done"),
        ("profile.read", "admin", "done"),
        ("profile.read", "reception", "done"),
    ]


async def test_a_possible_duplicate_is_found_by_the_address_of_the_account(tmp_path: Path, sql_url: str) -> None:
    answer = httpx.Response(200, json={"account_ids": [str(SAM), str(UUID(int=77))]})
    async with run_patient_service(tmp_path, database_url=sql_url, upstream=lambda request: answer) as patients:
        created = await add(patients, full_name="Al Bo", email="sam@example.com")
        assert [(item["id"], item["reasons"]) for item in created["possible_duplicates"]] == [(str(SAM), ["same_email"])]
        assert created["duplicates_complete"] is True
        assert await list_accesses(patients, SAM) == [("profile.read", "reception", "done")]


async def test_without_auth_service_a_patient_is_created_and_the_answer_says_that_there_may_be_duplicates(
    tmp_path: Path, sql_url: str
) -> None:
    async with run_patient_service(tmp_path, database_url=sql_url, upstream=lambda request: httpx.Response(503)) as patients:
        created = await add(patients, full_name="Sam Lee", email="sam@example.com")
        assert [item["id"] for item in created["possible_duplicates"]] == [str(SAM)]
        assert created["duplicates_complete"] is False
        assert (await add(patients, full_name="Sam Lee"))["duplicates_complete"] is True


async def test_a_possible_duplicate_is_found_among_many_with_the_same_day_of_birth_or_the_same_name(patients: RunningService) -> None:
    wanted = await add(patients, full_name="Jürgen Grünzeug", born_on="1970-01-01")
    async with patients.app.state.use_cases[StaffPatients].store.begin() as tx:
        for number in range(MAX_CANDIDATES + 1):
            await tx.insert_patient(Patient(new_id(), "Mia Roe", None, None, born_on=date(1970, 1, 1)))
            await tx.insert_patient(Patient(new_id(), "Jurgen Grunzeug", None, None, born_on=date(1911 + number, 1, 2)))
    created = await add(patients, full_name="Jurgen Grunzeug", born_on="1970-01-01")
    assert [(item["id"], item["reasons"]) for item in created["possible_duplicates"]] == [(wanted["id"], ["same_name", "same_born_on"])]
    assert created["duplicates_complete"] is True
    many = await add(patients, full_name="Jurgen Grunzeug")
    assert (len(many["possible_duplicates"]), many["duplicates_complete"]) == (MAX_DUPLICATES, False)


async def test_the_same_key_answers_with_the_same_possible_duplicates(patients: RunningService) -> None:
    await create_profile(patients, OTHER, full_name="Jo Roe")
    body, headers = {"full_name": "Jo Roe"}, ADMIN | {"Idempotency-Key": "a"}
    first, again = [await patients.http.post("/patients", json=body, headers=headers) for _ in range(2)]
    assert [item["id"] for item in first.json()["possible_duplicates"]] == [str(OTHER)]
    assert again.content == first.content
