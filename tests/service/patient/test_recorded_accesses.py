"""What guardians and staff read, what is refused after the relation was checked, and what a repeated request leaves in the access log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from patient_svc.repository.records import break_glass_of
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Role
from shared.kit.sql import Database
from tests.running import NOON, RunningService
from tests.service.patient.medical_histories import ADMIN, ASTHMA, BREAK_GLASS, HISTORY, Histories, run_histories
from tests.service.patient.running_patient import OTHER, RECEPTION, SAM, SAMS_TOKEN, create_profile, list_events
from tests.service.patient.test_accesses import explain
from tests.tokens import bearer, service_bearer

DEPENDANTS = "/patients/me/dependants"
KIM = bearer(Role.PATIENT, OTHER)
ADMINS_TOKEN = bearer(Role.ADMIN, ADMIN)


@pytest.fixture
async def histories(tmp_path: Path, sql_url: str) -> AsyncIterator[Histories]:
    """The service on SQLite and on MariaDB."""
    async with run_histories(tmp_path, sql_url) as running:
        yield running


async def add_child(service: RunningService, name: str = "Mia Lee") -> UUID:
    """Add a dependant of Sam, and forget what was recorded about it."""
    body = {"full_name": name, "born_on": "2019-05-01"}
    child = (await service.http.post(DEPENDANTS, json=body, headers=SAMS_TOKEN)).json()["id"]
    await service.run_until_idle()
    service.published.clear()
    return UUID(child)


async def list_lines(service: RunningService) -> list[tuple[UUID, str, str | None]]:
    """Return subject, action and relation of the lines that were recorded; a refusal has no relation."""
    return [(line.subject_id, line.action, line.relation) for line in await list_events(service, AuditRecorded)]


async def test_a_guardian_who_reads_a_dependant_is_recorded(patients: RunningService) -> None:
    mia = await add_child(patients)
    for path in (DEPENDANTS, f"{DEPENDANTS}/{mia}"):
        assert (await patients.http.get(path, headers=SAMS_TOKEN)).status_code == 200
    assert await list_lines(patients) == [(mia, "dependant.read", "guardian")] * 2


async def test_a_list_records_the_dependants_on_its_page_only(patients: RunningService) -> None:
    mia = await add_child(patients)
    await add_child(patients, "Lou Lee")
    (shown,) = (await patients.http.get(f"{DEPENDANTS}?limit=1", headers=SAMS_TOKEN)).json()["items"]
    assert await list_lines(patients) == [(mia, "dependant.read", "guardian")]
    assert shown["id"] == str(mia)


async def test_who_is_no_guardian_is_recorded_as_refused(patients: RunningService) -> None:
    mia = await add_child(patients)
    for method in ("GET", "DELETE"):
        assert (await patients.http.request(method, f"{DEPENDANTS}/{mia}", headers=KIM)).status_code == 404
        assert (await patients.http.request(method, f"{DEPENDANTS}/{mia}", headers=RECEPTION)).status_code == 403
        assert (await patients.http.request(method, f"{DEPENDANTS}/{UUID(int=404)}", headers=KIM)).status_code == 404
        assert (await patients.http.request(method, f"{DEPENDANTS}/no-uuid", headers=RECEPTION)).status_code == 403
    assert await list_lines(patients) == [(mia, action, None) for action in ["dependant.read"] * 2 + ["profile.change"] * 2]


async def test_staff_who_read_the_guardians_are_recorded(patients: RunningService) -> None:
    mia, sam = await add_child(patients), {"guardian_id": str(SAM)}
    await patients.http.get(f"/patients/{mia}/guardians", headers=RECEPTION)
    assert (await patients.http.post(f"/patients/{mia}/guardians", json=sam, headers=RECEPTION)).status_code == 201
    assert await list_lines(patients) == [(mia, "guardians.read", "reception")] * 2, "the second request changes nothing"


async def test_reception_that_changes_more_than_contact_fields_is_recorded_as_refused(patients: RunningService) -> None:
    desk = RECEPTION | {"If-Match": '"1"'}
    for patient_id in (SAM, UUID(int=404)):
        refused = await patients.http.patch(f"/patients/{patient_id}", json={"full_name": "Sam L."}, headers=desk)
        assert (refused.status_code, refused.json()["code"]) == (403, "contact_fields_only")
    assert await list_lines(patients) == [(SAM, "profile.change", None)]


async def test_a_change_by_staff_that_changes_nothing_is_a_read(patients: RunningService) -> None:
    for version, action in ((1, "profile.change"), (2, "profile.read")):
        headers = ADMINS_TOKEN | {"If-Match": f'"{version}"'}
        assert (await patients.http.patch(f"/patients/{SAM}", json={"phone": "+49 30 7"}, headers=headers)).status_code == 200
        assert (await list_lines(patients))[-1] == (SAM, action, "admin")


async def test_a_patient_who_changes_what_a_practitioner_wrote_is_recorded_as_refused(histories: Histories) -> None:
    entry = f"{HISTORY}/{(await histories.add('treating doctor'))['id']}"
    corrected = await histories.call("PATCH", entry, "self", {"title": "Other"}, If_Match='"1"')
    retracted = await histories.call("POST", f"{entry}/retract", "guardian")
    assert [refused.json()["code"] for refused in (corrected, retracted)] == ["reported_by_practitioner"] * 2
    assert (await histories.list_accesses())[1:] == [
        ("medical_history.correct", "patient", "refused", None),
        ("medical_history.retract", "patient", "refused", None),
    ]


async def test_a_request_that_changes_nothing_is_a_read_of_the_history(histories: Histories) -> None:
    added = [await histories.call("POST", HISTORY, "self", ASTHMA, Idempotency_Key="k1") for _ in range(2)]
    assert added[1].headers["idempotent-replayed"] == "true"
    entry = f"{HISTORY}/{added[0].json()['id']}"
    await histories.call("PATCH", entry, "self", {"title": ASTHMA["title"]}, If_Match='"1"')
    for _ in range(2):
        await histories.call("POST", f"{entry}/retract", "self")
    done = ["medical_history.add", "medical_history.read", "medical_history.read", "medical_history.retract", "medical_history.read"]
    assert [line[0] for line in await histories.list_accesses()] == done


async def test_admins_read_who_opened_a_history_and_why(histories: Histories) -> None:
    opened = []
    for number, reason in enumerate(("Unconscious", "Asked by the court", "Unconscious again")):
        histories.service.clock.set(NOON + timedelta(minutes=number))
        opened.append((await histories.call("POST", BREAK_GLASS, "admin", {"reason": reason})).json() | {"reason": reason})
    first = await histories.call("GET", f"{BREAK_GLASS}?limit=2", "admin")
    second = await histories.call("GET", first.headers["link"].partition(">")[0].removeprefix("<"), "admin")
    shown = [item for page in (first, second) for item in page.json()["items"]]
    assert shown == [access | {"admin_id": str(ADMIN)} for access in reversed(opened)]
    assert second.json()["next"] is None
    lines = [line for line in await list_events(histories.service, AuditRecorded) if line.actor_id == ADMIN]
    assert [line.action for line in lines] == ["break_glass.open"] * 3 + ["break_glass.read"] * 2
    assert [str(line.row_id) for line in lines[:3]] == [access["id"] for access in opened], "the audit trail names the access"
    bad = await histories.call("GET", f"{BREAK_GLASS}?after=bmV4dA", "admin")
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


async def test_accesses_by_break_glass_are_found_by_an_index(histories: Histories, sql_url: str) -> None:
    async with Database(sql_url) as database:
        for after in (None, (NOON.isoformat(), str(UUID(int=900)))):
            plan = await explain(database, break_glass_of(SAM, 26, after))
            assert "break_glass_by_patient" in plan, plan
            assert "filesort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan


async def test_a_guardian_who_repeats_the_creation_reads_the_dependant_and_a_former_one_is_refused(patients: RunningService) -> None:
    async def create() -> httpx.Response:
        body = {"full_name": "Mia Lee", "born_on": "2019-05-01"}
        return await patients.http.post(DEPENDANTS, json=body, headers=SAMS_TOKEN | {"Idempotency-Key": "k"})

    first, again = await create(), await create()
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    mia = UUID(first.json()["id"])
    assert (await patients.http.delete(f"{DEPENDANTS}/{mia}", headers=SAMS_TOKEN)).status_code == 204
    for _ in range(2):
        refused = await create()
        assert (refused.status_code, refused.json()["code"]) == (404, "no_such_patient")
        await patients.app.state.idempotency.delete_mentioning(mia)
    lines = await list_lines(patients)
    assert lines[1:] == [(mia, "dependant.read", "guardian"), (mia, "profile.change", "guardian"), (mia, "dependant.read", None)]


async def test_creations_that_are_repeated_after_their_answers_were_lost_are_recorded_as_reads(patients: RunningService) -> None:
    async def create(path: str, headers: dict[str, str]) -> httpx.Response:
        body = {"full_name": "Mia Lee", "born_on": "2019-05-01"}
        return await patients.http.post(path, json=body, headers=headers | {"Idempotency-Key": "k"})

    for path, headers in (("/patients", RECEPTION), (DEPENDANTS, SAMS_TOKEN)):
        created = (await create(path, headers)).json()
        assert (await create(path, headers)).headers["idempotent-replayed"] == "true"
        await patients.app.state.idempotency.delete_mentioning(UUID(created["id"]))
        again = await create(path, headers)
        assert (again.status_code, again.json()["id"]) == (201, created["id"])
        actions = [action for patient_id, action, _relation in await list_lines(patients) if patient_id == UUID(created["id"])]
        read = "profile.read" if path == "/patients" else "dependant.read"
        assert actions == ["profile.create", read, read]


async def test_staff_who_are_refused_to_change_guardians_are_recorded(patients: RunningService) -> None:
    mia, sam = await add_child(patients), {"guardian_id": str(SAM)}
    responses = [
        await patients.http.post(f"/patients/{SAM}/guardians", json={"guardian_id": str(mia)}, headers=RECEPTION),
        await patients.http.post(f"/patients/{mia}/guardians", json={"guardian_id": str(mia)}, headers=RECEPTION),
        await patients.http.delete(f"/patients/{mia}/guardians/{UUID(int=404)}", headers=RECEPTION),
        await patients.http.delete(f"/patients/{UUID(int=404)}/guardians/{SAM}", headers=RECEPTION),
        await patients.http.post(f"/patients/{UUID(int=404)}/guardians", json=sam, headers=RECEPTION),
    ]
    codes = ["no_such_guardian", "no_such_guardian", "no_such_patient", "no_such_patient", "no_such_patient"]
    assert [response.json()["code"] for response in responses] == codes
    assert await list_lines(patients) == [(SAM, "profile.change", None), (mia, "profile.change", None), (mia, "profile.change", None)]


async def test_staff_who_learn_that_a_patient_has_an_account_are_recorded(patients: RunningService) -> None:
    await create_profile(patients, OTHER)
    with_account = await patients.http.post(f"/patients/{SAM}/guardians", json={"guardian_id": str(OTHER)}, headers=RECEPTION)
    address = await patients.http.patch(f"/patients/{SAM}", json={"email": "sam@example.org"}, headers=RECEPTION | {"If-Match": '"1"'})
    assert [response.json()["code"] for response in (with_account, address)] == ["has_account", "address_of_account"]
    assert await list_lines(patients) == [(SAM, "profile.change", None)] * 2


async def test_an_admin_who_renames_a_merged_patient_is_recorded_as_refused(patients: RunningService) -> None:
    old, new = [(await patients.http.post("/patients", json={"full_name": "Jo Roe"}, headers=ADMINS_TOKEN)).json()["id"] for _ in range(2)]
    assert (await patients.http.post(f"/patients/{old}/merge", json={"into": new}, headers=ADMINS_TOKEN)).status_code == 200
    await patients.run_until_idle()
    patients.published.clear()
    body = {"full_name": "Jo Doe", "by": {"id": str(ADMIN), "role": "admin"}}
    renamed = await patients.http.patch(f"/internal/patients/{old}", json=body, headers=service_bearer("admin-service"))
    assert (renamed.status_code, renamed.json()["code"]) == (404, "no_such_patient")
    assert await list_lines(patients) == [(UUID(old), "profile.change", None)]
