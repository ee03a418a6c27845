"""Guardians whom the clinic adds and removes, and how long they may book: what other services are told at every moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from patient_svc.repository.tables import GUARDIANS
from shared.contracts.events import AccountChanged, AuditRecorded, PatientChanged
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON, RunningService
from tests.service.patient.running_patient import (
    OTHER,
    SAM,
    SAMS_TOKEN,
    create_profile,
    get_contacts,
    list_events,
    run_patient_service,
)
from tests.service.patient.test_record_keys import read_rows
from tests.tokens import bearer, service_bearer

APPOINTMENT, SCHEDULING = service_bearer("appointment-service"), service_bearer("scheduling-service")
KIM, KIMS_TOKEN, LEE = OTHER, bearer(Role.PATIENT, OTHER), UUID(int=4)
RECEPTION, ADMIN = bearer(Role.RECEPTION, UUID(int=70)), bearer(Role.ADMIN, UUID(int=71))
WALK_IN = {"full_name": "Jo Roe", "born_on": "2008-03-02"}  # 18 years old on the day of NOON, in UTC


async def add_walk_in(service: RunningService, **fields: Any) -> str:
    response = await service.http.post("/patients", json=WALK_IN | fields, headers=ADMIN)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def add_guardian(
    service: RunningService, patient_id: Any, guardian_id: Any = SAM, caller: dict[str, str] = RECEPTION, **fields: Any
) -> httpx.Response:
    body = {"guardian_id": str(guardian_id)} | fields
    return await service.http.post(f"/patients/{patient_id}/guardians", json=body, headers=caller)


async def remove_guardian(
    service: RunningService, patient_id: Any, guardian_id: Any = SAM, caller: dict[str, str] = RECEPTION
) -> httpx.Response:
    return await service.http.delete(f"/patients/{patient_id}/guardians/{guardian_id}", headers=caller)


async def guardian_ids(service: RunningService, patient_id: Any) -> list[str]:
    """Return who may book for a patient, as appointment- and scheduling-service are told."""
    told = [await service.http.get(f"/internal/patients/{patient_id}", headers=caller) for caller in (APPOINTMENT, SCHEDULING)]
    assert told[0].json() == told[1].json()
    (contact,) = await get_contacts(service, patient_id)
    assert contact["guardian_ids"] == told[0].json()["guardian_ids"], "mails go to those who may book"
    return list(contact["guardian_ids"])


async def dependant_ids(service: RunningService, guardian_id: Any = SAM) -> list[str]:
    """Return for whom a patient may book, as appointment-service is told."""
    response = await service.http.get(f"/internal/patients/{guardian_id}/dependants", headers=APPOINTMENT)
    return list(response.json()["ids"])


async def give_account(service: RunningService, patient_id: str) -> None:
    """Let a patient have an account, as when a registration is linked."""
    event = {"id": new_id(), "occurred_at": NOON, "account_id": patient_id, "role": Role.PATIENT, "status": "active", "version": 1}
    await service.publish_event(AccountChanged.model_validate(event))


async def test_the_clinic_makes_an_existing_patient_a_dependant(patients: RunningService) -> None:
    jo = await add_walk_in(patients)
    added = await add_guardian(patients, jo, relationship="father")
    guardian = {"id": str(SAM), "full_name": "Sam Lee", "relationship": "father"}
    assert (added.status_code, added.json()) == (201, guardian)
    assert added.headers["location"] == f"/patients/{jo}/guardians"
    assert (await patients.http.get(added.headers["location"], headers=ADMIN)).json() == {"items": [guardian], "next": None}
    listed = (await patients.http.get("/patients/me/dependants", headers=SAMS_TOKEN)).json()["items"]
    assert listed == [WALK_IN | {"id": jo, "relationship": "father"}]
    assert await guardian_ids(patients, jo) == [str(SAM)]
    assert await dependant_ids(patients) == [jo]
    assert [event.version for event in await list_events(patients, PatientChanged) if str(event.patient_id) == jo] == [1, 2]


async def test_repeating_replaces_the_relationship_and_the_same_again_changes_nothing(patients: RunningService) -> None:
    jo = await add_walk_in(patients)
    for relationship in ("father", "uncle", "uncle"):
        assert (await add_guardian(patients, jo, relationship=relationship)).json()["relationship"] == relationship
    assert [event.version for event in await list_events(patients, PatientChanged) if str(event.patient_id) == jo] == [1, 2, 3]
    assert len((await patients.http.get(f"/patients/{jo}/guardians", headers=ADMIN)).json()["items"]) == 1


async def test_a_former_guardian_is_told_to_no_service_from_the_moment_of_the_answer(patients: RunningService) -> None:
    jo = await add_walk_in(patients)
    await create_profile(patients, KIM)
    await add_guardian(patients, jo)
    await add_guardian(patients, jo, KIM)
    assert await guardian_ids(patients, jo) == sorted([str(SAM), str(KIM)])
    assert (await remove_guardian(patients, jo, KIM)).status_code == 204
    assert (await guardian_ids(patients, jo), await dependant_ids(patients, KIM)) == ([str(SAM)], [])
    gone = await remove_guardian(patients, jo, KIM)
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_patient")
    assert (await patients.http.delete(f"/patients/me/dependants/{jo}", headers=SAMS_TOKEN)).status_code == 204
    assert (await guardian_ids(patients, jo), await dependant_ids(patients)) == ([], [])


async def test_a_dependant_has_two_guardians_at_most_also_at_the_same_moment(patients: RunningService) -> None:
    jo = await add_walk_in(patients)
    people = [SAM, KIM, LEE, UUID(int=5)]
    for person in people[1:]:
        await create_profile(patients, person)
    responses = await asyncio.gather(*(add_guardian(patients, jo, person) for person in people))
    assert sorted(response.status_code for response in responses) == [201, 201, 409, 409]
    refused = next(response.json() for response in responses if response.status_code == 409)
    assert (refused["code"], refused["limit"]) == ("too_many_guardians", 2)


async def test_the_clinic_adds_no_more_dependants_than_one_account_may_have(patients: RunningService) -> None:
    jo = await add_walk_in(patients)
    child = {"full_name": "Mia Lee", "born_on": "2019-05-01"}
    for _ in range(20):
        assert (await patients.http.post("/patients/me/dependants", json=child, headers=SAMS_TOKEN)).status_code == 201
    refused = await add_guardian(patients, jo)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_dependants")
    assert len(await dependant_ids(patients)) == 20


async def test_who_has_an_account_cannot_become_a_dependant(patients: RunningService) -> None:
    await create_profile(patients, KIM)
    refused = await add_guardian(patients, KIM)
    assert (refused.status_code, refused.json()["code"]) == (409, "has_account")


async def test_a_minor_with_an_account_can_get_a_second_guardian_but_not_themselves(patients: RunningService) -> None:
    await create_profile(patients, LEE)
    minor = await add_walk_in(patients, born_on="2008-03-03")
    assert (await add_guardian(patients, minor)).status_code == 201
    await give_account(patients, minor)
    assert (await add_guardian(patients, minor, LEE)).status_code == 201
    own = await add_guardian(patients, minor, minor)
    assert (own.status_code, own.json()["code"]) == (422, "no_such_guardian")
    assert await guardian_ids(patients, minor) == [str(SAM), str(LEE)]


async def test_a_guardian_is_a_patient_with_an_active_account(patients: RunningService) -> None:
    jo, other_walk_in = await add_walk_in(patients), await add_walk_in(patients)
    await create_profile(patients, KIM)
    disabled = {"id": new_id(), "occurred_at": NOON, "account_id": KIM, "role": Role.PATIENT, "status": "disabled", "version": 2}
    await patients.publish_event(AccountChanged.model_validate(disabled))
    for guardian_id in (UUID(int=404), other_walk_in, jo, KIM):
        refused = await add_guardian(patients, jo, guardian_id)
        assert (refused.status_code, refused.json()["code"]) == (422, "no_such_guardian")
        assert refused.json()["errors"][0]["pointer"] == "/guardian_id"
    missing = await add_guardian(patients, UUID(int=404))
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_patient")
    assert (await add_guardian(patients, jo, relationship="a\nb")).json()["code"] == "control_character"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_only_the_clinic_adds_lists_and_removes_guardians(patients: RunningService, method: str) -> None:
    jo = await add_walk_in(patients)
    await add_guardian(patients, jo)
    path = f"/patients/{jo}/guardians" + (f"/{SAM}" if method == "DELETE" else "")
    body = {"guardian_id": str(SAM)} if method == "POST" else None
    for caller, status in ((SAMS_TOKEN, 403), (bearer(Role.DOCTOR), 403), (APPOINTMENT, 403), ({}, 401)):
        assert (await patients.http.request(method, path, json=body, headers=caller)).status_code == status
    assert await guardian_ids(patients, jo) == [str(SAM)]


async def test_each_change_by_the_clinic_is_in_the_audit_trail(patients: RunningService) -> None:
    jo = await add_walk_in(patients)
    await add_guardian(patients, jo, caller=ADMIN)
    await remove_guardian(patients, jo)
    lines = [line for line in await list_events(patients, AuditRecorded) if str(line.subject_id) == jo and line.action == "profile.change"]
    assert [(line.actor_role, line.relation, line.outcome) for line in lines] == [
        ("admin", "admin", "done"),
        ("reception", "reception", "done"),
    ]
    assert all(line.request_id for line in lines)


async def test_a_guardian_of_an_adult_books_until_the_adult_has_an_account(patients: RunningService) -> None:
    jo, mia = await add_walk_in(patients), await add_walk_in(patients, born_on="2008-03-03")
    ada = await add_walk_in(patients, born_on=None)
    for patient_id in (jo, mia, ada):
        await add_guardian(patients, patient_id)
    assert len(await dependant_ids(patients)) == 3
    for patient_id in (jo, mia, ada):
        await give_account(patients, patient_id)
    assert (await guardian_ids(patients, jo), await guardian_ids(patients, ada)) == ([], [])
    assert (await guardian_ids(patients, mia), await dependant_ids(patients)) == ([str(SAM)], [mia])
    listed = (await patients.http.get("/patients/me/dependants", headers=SAMS_TOKEN)).json()["items"]
    assert [item["id"] for item in listed] == [mia]
    for patient_id, status in ((jo, 404), (mia, 200)):
        assert (await patients.http.get(f"/patients/me/dependants/{patient_id}", headers=SAMS_TOKEN)).status_code == status
        assert (await patients.http.get(f"/patients/{patient_id}/appointments", headers=SAMS_TOKEN)).status_code == status
    patients.clock.set(datetime(2026, 3, 3, tzinfo=UTC))
    assert (await guardian_ids(patients, mia), await dependant_ids(patients)) == ([], []), "of age today"


async def test_the_day_of_coming_of_age_is_that_of_the_clinic_and_the_age_a_setting(tmp_path: Path, sql_url: str) -> None:
    settings: dict[str, Any] = {"time_zone": "Asia/Tokyo", "adult_age_years": 16}
    async with run_patient_service(tmp_path, database_url=sql_url, **settings) as patients:
        mia = await add_walk_in(patients, born_on="2010-03-03")
        await add_guardian(patients, mia)
        await give_account(patients, mia)
        patients.clock.set(datetime(2026, 3, 2, 14, 59, tzinfo=UTC))
        assert await guardian_ids(patients, mia) == [str(SAM)]
        patients.clock.set(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
        assert await guardian_ids(patients, mia) == []


@pytest.fixture
async def other_instance(patients: RunningService, tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """Another instance of patient-service on the same database."""
    folder = tmp_path / "other"
    folder.mkdir()
    async with run_patient_service(folder, database_url=sql_url) as service:
        yield service


async def test_no_answer_after_the_end_of_a_guardianship_names_the_guardian_on_any_instance(
    patients: RunningService, other_instance: RunningService
) -> None:
    """Who may book is read while guardianships end: every read that begins after a 204 must not name the former guardian."""
    for _ in range(10):
        jo = await add_walk_in(patients)
        await add_guardian(patients, jo)
        is_ended = asyncio.Event()

        async def end(patient_id: str = jo, ended: asyncio.Event = is_ended) -> None:
            await asyncio.sleep(0)
            assert (await patients.http.delete(f"/patients/me/dependants/{patient_id}", headers=SAMS_TOKEN)).status_code == 204
            ended.set()

        async def read(service: RunningService, patient_id: str = jo, ended: asyncio.Event = is_ended) -> None:
            for _ in range(8):
                began_after_the_end = ended.is_set()
                told = (await service.http.get(f"/internal/patients/{patient_id}", headers=APPOINTMENT)).json()["guardian_ids"]
                assert not (told and began_after_the_end)

        await asyncio.gather(read(patients), read(other_instance), end(), read(other_instance), read(patients))
        assert await guardian_ids(other_instance, jo) == []


async def amend_own(service: RunningService, patient_id: str, **changes: Any) -> httpx.Response:
    """Change a profile as the patient."""
    return await service.http.patch("/patients/me", json=changes, headers=bearer(Role.PATIENT, UUID(patient_id)) | {"If-Match": "*"})


async def add_minor_with_account(service: RunningService) -> str:
    """Return a minor, of age on the next day, who has an account and Sam as a guardian."""
    mia = await add_walk_in(service, born_on="2008-03-03")
    await add_guardian(service, mia)
    await give_account(service, mia)
    return mia


@pytest.mark.parametrize("born_on", ["1990-01-01", None, "2012-01-01"])
async def test_a_patient_with_guardians_does_not_change_the_own_date_of_birth(patients: RunningService, born_on: str | None) -> None:
    mia = await add_minor_with_account(patients)
    refused = await amend_own(patients, mia, born_on=born_on)
    assert (refused.status_code, refused.json()["code"]) == (409, "birth_date_of_dependant")
    assert refused.json()["errors"][0]["pointer"] == "/born_on"
    assert await guardian_ids(patients, mia) == [str(SAM)]
    assert (await amend_own(patients, mia, born_on="2008-03-03", full_name="Mia Roe")).status_code == 200, "the same date is no change"


async def test_the_clinic_changes_the_date_of_birth_of_a_patient_with_guardians(patients: RunningService) -> None:
    mia = await add_minor_with_account(patients)
    for born_on, guardians in (("2012-01-01", [str(SAM)]), ("1990-01-01", []), ("2012-01-01", [])):
        changed = await patients.http.patch(f"/patients/{mia}", json={"born_on": born_on}, headers=ADMIN | {"If-Match": "*"})
        assert changed.status_code == 200, changed.text
        assert await guardian_ids(patients, mia) == guardians, "what has ended does not begin again"


async def test_a_guardianship_that_ended_does_not_begin_again_when_the_patient_corrects_the_date(patients: RunningService) -> None:
    mia = await add_minor_with_account(patients)
    patients.clock.set(datetime(2026, 3, 3, tzinfo=UTC))
    assert (await amend_own(patients, mia, born_on="2012-01-01")).status_code == 200
    assert (await guardian_ids(patients, mia), await dependant_ids(patients)) == ([], [])


async def test_a_guardianship_that_ended_does_not_begin_again_by_a_merge(patients: RunningService) -> None:
    await create_profile(patients, KIM)
    kim = await add_walk_in(patients, born_on=None)
    await add_guardian(patients, kim)
    await give_account(patients, kim)
    minor = await add_walk_in(patients, born_on="2012-01-01")
    merged = await patients.http.post(f"/patients/{minor}/merge", json={"into": kim}, headers=ADMIN)
    assert merged.status_code == 200, merged.text
    assert (await patients.http.get(f"/patients/{kim}", headers=ADMIN)).json()["born_on"] == "2012-01-01"
    assert await guardian_ids(patients, kim) == []


async def test_guardians_of_a_patient_who_has_come_of_age_are_shown_nowhere_and_deleted(patients: RunningService, sql_url: str) -> None:
    mia = await add_minor_with_account(patients)
    patients.clock.set(datetime(2026, 3, 3, tzinfo=UTC))
    assert (await patients.http.get(f"/patients/{mia}/guardians", headers=ADMIN)).json()["items"] == []
    before = (await patients.http.get(f"/patients/{mia}", headers=ADMIN)).json()["version"]
    patients.clock.advance(timedelta(minutes=6))
    await patients.run_until_idle()
    assert await read_rows(sql_url, GUARDIANS) == []
    assert [event.version for event in await list_events(patients, PatientChanged) if str(event.patient_id) == mia][-1] == before + 1
