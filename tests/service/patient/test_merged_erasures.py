"""Merging and erasing meet: what remains of merged patients is erased with the target, also when both happen at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from patient_svc.domain.erasures import AppointmentAhead, FutureAppointments
from patient_svc.repository.tables import ACCESSES, ERASURES, IDENTIFIERS, MERGES, METADATA, PATIENTS, RECORD_KEYS
from patient_svc.usecases.erasures import Erasures
from shared.contracts.events import AuditRecorded, PatientChanged, PatientErased, PatientMerged
from shared.contracts.identity import Caller, Role
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, run_service
from tests.service.patient.appointments_upstream import a_record, an_event_of
from tests.service.patient.medical_histories import change_database
from tests.service.patient.running_patient import PROFILE, SAM, create_profile, list_events
from tests.service.patient.test_merges import ADMIN, EXPOSURE, NUMBER, RECEPTION, TREATING, LiveVisitsUpstream, MergeClinic
from tests.tokens import bearer, service_bearer

FRESH = bearer(Role.PATIENT, SAM, auth_time=int(NOON.timestamp()))
EVENTS = (PatientChanged, PatientMerged, PatientErased, AuditRecorded)


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[MergeClinic]:
    upstream = LiveVisitsUpstream()
    async with run_service("patient_svc", tmp_path, upstream, record_events=EVENTS, database_url=sql_url) as service:
        await create_profile(service, SAM, **PROFILE)
        yield MergeClinic(service, upstream, sql_url)


async def erase(clinic: MergeClinic) -> Any:
    """Erase Sam and return the answer."""
    return await clinic.service.http.delete("/patients/me", headers=FRESH)


async def add_merged(clinic: MergeClinic) -> list[str]:
    """Add two walk-ins with a history each, merge the first into the second and that one into Sam, and return their ids."""
    old = []
    for number in (3, 4):
        walk_in = await clinic.add_walk_in(identifiers=[NUMBER] if number == 3 else [])
        await clinic.service.publish_event(an_event_of(a_record(number, patient_id=UUID(walk_in))))
        added = await clinic.service.http.post(f"/patients/{walk_in}/medical-history", json=EXPOSURE, headers=TREATING)
        assert added.status_code == 201, added.text
        old.append(walk_in)
    for source, target in ((old[0], old[1]), (old[1], SAM)):
        assert (await clinic.merge(source, target)).status_code == 200
    return old


async def stored_text(clinic: MergeClinic) -> str:
    """Return every row of every table of the service."""
    async with Database(clinic.url) as database, database.read() as connection:
        return repr([row for table in METADATA.sorted_tables for row in await connection.execute(sa.select(table))])


async def test_what_remains_of_merged_patients_is_erased_with_the_target(clinic: MergeClinic) -> None:
    old = await add_merged(clinic)
    assert (await erase(clinic)).status_code == 202
    await clinic.service.run_until_idle()
    for table in (PATIENTS, MERGES, IDENTIFIERS, RECORD_KEYS):
        assert await clinic.rows(sa.select(table)) == [], table.name
    ids = {UUID(patient_id) for patient_id in old} | {SAM}
    assert {row.patient_id for row in await clinic.rows(sa.select(ACCESSES))} == ids, "lines of access logs stay, with ids only"
    text = await stored_text(clinic)
    assert [word for word in ("Sam L", "Asthma", "urn:insurance") if word in text] == []


async def test_other_services_are_asked_to_erase_every_id_that_the_patient_had(clinic: MergeClinic) -> None:
    old = await add_merged(clinic)
    erasure = (await erase(clinic)).json()
    assert (await erase(clinic)).json() == erasure, "a repeated erasure changes nothing"
    events = await list_events(clinic.service, PatientErased)
    assert sorted(str(event.patient_id) for event in events) == sorted([*old, str(SAM)])
    assert len({event.erasure_id for event in events}) == 3
    shown = (await clinic.get("/admin/erasures"))["items"]
    assert {item["patient_id"] for item in shown} == {*old, str(SAM)}
    assert [report["service"] for item in shown for report in item["reports"]] == ["patient-service"] * 3
    for event in events:
        body = {"pass_number": 1, "removed": {"messages": 0}}
        path = f"/internal/erasures/{event.erasure_id}/reports"
        reported = await clinic.service.http.post(path, json=body, headers=service_bearer("notification-service"))
        assert reported.status_code == 204


async def test_stored_answers_that_name_an_old_id_are_deleted(clinic: MergeClinic) -> None:
    keyed = RECEPTION | {"Idempotency-Key": "walk-in"}
    added = await clinic.service.http.post("/patients", json={"full_name": "Sam Li"}, headers=keyed)
    assert (await clinic.merge(added.json()["id"])).status_code == 200
    other = await clinic.service.http.post("/patients", json={"full_name": "Ada Weiss"}, headers=RECEPTION | {"Idempotency-Key": "other"})
    await erase(clinic)
    answers = [row.body for row in await clinic.rows(sa.select(METADATA.tables["answers"])) if row.status]
    assert [other.json()["id"].encode() in answer for answer in answers] == [True]


async def test_after_the_erasure_of_the_target_the_old_id_names_nobody(clinic: MergeClinic) -> None:
    old, _ = await add_merged(clinic)
    await erase(clinic)
    for path in ("", "/appointments", "/medical-history"):
        answer = (await clinic.service.http.get(f"/patients/{old}{path}", headers=ADMIN)).json()
        assert (answer["code"], "merged_into" in answer) == ("no_such_patient", False)
    refused = await clinic.service.http.put(
        f"/internal/patients/{old}", json={"full_name": "Sam Li"}, headers=service_bearer("auth-service")
    )
    assert refused.status_code == 404, "a late request does not create the old patient again"


async def test_a_patient_whose_erasure_is_under_way_is_neither_merged_nor_a_target(clinic: MergeClinic) -> None:
    walk_in = await clinic.add_walk_in(identifiers=[])
    await erase(clinic)
    assert (await clinic.get("/admin/erasures"))["items"][0]["completed_at"] is None
    for query in ("", "?dry_run=true"):
        target, source = await clinic.merge(walk_in, SAM, query=query), await clinic.merge(SAM, walk_in, query=query)
        assert (target.status_code, target.json()["code"]) == (422, "no_such_target")
        assert (source.status_code, source.json()["code"]) == (404, "no_such_patient")
    assert (await clinic.get(f"/patients/{walk_in}"))["full_name"] == "Sam Li"


@pytest.mark.parametrize("is_merged_again", [False, True], ids=["one merge", "two merges in a row"])
async def test_a_visit_ahead_that_still_has_a_former_id_holds_the_erasure_up(clinic: MergeClinic, is_merged_again: bool) -> None:
    old = await clinic.add_walk_in()
    clinic.upstream.visits = [(UUID(int=41), UUID(old), NOON + timedelta(days=1), 30)]
    into = await clinic.add_walk_in(identifiers=[]) if is_merged_again else SAM
    assert (await clinic.merge(old, into)).status_code == 200
    if is_merged_again:
        assert (await clinic.merge(into)).status_code == 200
    refused = await erase(clinic)
    assert (refused.status_code, refused.json()["code"]) == (409, "future_appointments")
    assert [appointment["id"] for appointment in refused.json()["appointments"]] == [str(UUID(int=41))]
    assert (await clinic.service.http.delete("/patients/me?appointments=cancel", headers=FRESH)).status_code == 202


async def test_an_erasure_that_races_with_the_merge_of_a_patient_who_has_a_visit_ahead_does_not_cancel_it(clinic: MergeClinic) -> None:
    for number in range(4):
        if number:
            await create_profile(clinic.service, patient_id := UUID(int=600 + number), **PROFILE)
        else:
            patient_id = SAM
        old = await clinic.add_walk_in(identifiers=[])
        clinic.upstream.visits = [(UUID(int=41), UUID(old), NOON + timedelta(days=1), 30)]
        fresh = bearer(Role.PATIENT, patient_id, auth_time=int(NOON.timestamp()))
        erased, merged = await asyncio.gather(clinic.service.http.delete("/patients/me", headers=fresh), clinic.merge(old, patient_id))
        assert (erased.status_code, merged.status_code) in {(409, 200), (202, 422)}, (erased.text, merged.text)


async def test_an_erasure_asks_again_where_somebody_was_merged_into_the_patient_meanwhile(clinic: MergeClinic) -> None:
    """The merge is stored in the moment in which appointment-service is asked about the patient alone."""
    old = await clinic.add_walk_in()
    visit = (UUID(int=41), UUID(old), NOON + timedelta(days=1), 30)
    asked = list[list[str]]()

    class MergingLookup:
        """Asks appointment-service, and merges the walk-in after the first answer."""

        async def list_ahead(self, patient_ids: Collection[UUID], now: datetime) -> Sequence[AppointmentAhead]:
            asked.append(sorted(map(str, patient_ids)))
            if len(asked) == 1:
                assert (await clinic.merge(old)).status_code == 200
                return []
            return [AppointmentAhead(visit[0], visit[2])]

    clinic.upstream.visits = [visit]
    use_case = clinic.service.app.state.use_cases[Erasures]
    erasures = replace(use_case, appointments=MergingLookup())
    caller = Caller(SAM, Role.PATIENT, signed_in_at=NOON)
    with pytest.raises(FutureAppointments):
        await erasures.erase_own(caller, new_id(), cancels_appointments=False)
    assert asked == [[str(SAM)], sorted([old, str(SAM)])]


async def test_erasing_and_merging_at_the_same_time_end_in_one_of_two_states(clinic: MergeClinic) -> None:
    """Either the walk-in was merged first and is erased with Sam, or Sam was erased first and the walk-in has everything still."""
    for round_number in range(4):
        if round_number:
            await create_profile(clinic.service, patient_id := UUID(int=500 + round_number), **PROFILE)
        else:
            patient_id = SAM
        fresh = bearer(Role.PATIENT, patient_id, auth_time=int(NOON.timestamp()))
        walk_ins = [UUID(await clinic.add_walk_in(identifiers=[])) for _ in range(3)]
        erased, *merged = await asyncio.gather(
            clinic.service.http.delete("/patients/me", headers=fresh), *(clinic.merge(walk_in, patient_id) for walk_in in walk_ins)
        )
        assert erased.status_code == 202, erased.text
        gone = {walk_in for walk_in, answer in zip(walk_ins, merged, strict=True) if answer.status_code == 200}
        assert {answer.json().get("code") for answer in merged if answer.status_code != 200} <= {"no_such_target"}
        kept = {row.id for row in await clinic.rows(sa.select(PATIENTS.c.id).where(PATIENTS.c.id.in_([patient_id, *walk_ins])))}
        assert kept == set(walk_ins) - gone
        assert {row.patient_id for row in await clinic.rows(sa.select(ERASURES.c.patient_id))} >= gone | {patient_id}
        assert await clinic.rows(sa.select(MERGES)) == []


async def test_what_remains_of_a_merged_patient_does_not_expire_by_itself(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    assert (await clinic.merge(old)).status_code == 200
    await change_database(clinic.url, sa.update(PATIENTS).values(changed_at=NOON.replace(year=2010), has_account=True))
    await change_database(clinic.url, sa.update(PATIENTS).where(PATIENTS.c.id == UUID(old)).values(has_account=False))
    clinic.service.clock.advance(timedelta(hours=1, seconds=1))
    await clinic.service.run_until_idle()
    assert (await clinic.get("/admin/erasures"))["items"] == []
    assert (await clinic.get(f"/patients/{old}"))["merged_into"] == str(SAM)


async def test_merged_walk_ins_are_erased_together_when_the_records_are_kept_no_longer(clinic: MergeClinic) -> None:
    old, target = await clinic.add_walk_in(), await clinic.add_walk_in(identifiers=[])
    assert (await clinic.merge(old, target)).status_code == 200
    await change_database(clinic.url, sa.update(PATIENTS).where(PATIENTS.c.id != SAM).values(changed_at=NOON.replace(year=2010)))
    clinic.service.clock.advance(timedelta(hours=1, seconds=1))
    await clinic.service.run_until_idle()
    shown = (await clinic.get("/admin/erasures"))["items"]
    assert {(item["patient_id"], item["reason"]) for item in shown} == {(old, "retention"), (target, "retention")}


async def test_a_creation_that_is_repeated_after_the_erasure_brings_nobody_back(clinic: MergeClinic) -> None:
    keyed = RECEPTION | {"Idempotency-Key": "walk-in"}
    body = {"full_name": "Sam Li", "phone": "+49 30 1234567"}
    added = await clinic.service.http.post("/patients", json=body, headers=keyed)
    assert (await clinic.merge(added.json()["id"])).status_code == 200
    assert (await erase(clinic)).status_code == 202
    again = await clinic.service.http.post("/patients", json=body, headers=keyed)
    assert (again.status_code, again.json()["code"]) == (404, "no_such_patient")
    assert await clinic.rows(sa.select(PATIENTS)) == []


async def test_a_dependant_who_was_merged_and_erased_is_not_created_again(clinic: MergeClinic) -> None:
    kim = bearer(Role.PATIENT, UUID(int=61))
    await create_profile(clinic.service, UUID(int=61), **PROFILE | {"full_name": "Kim Lee"})
    body = {"full_name": "Mia Lee", "born_on": "2019-05-01"}

    async def create() -> Any:
        return await clinic.service.http.post("/patients/me/dependants", json=body, headers=kim | {"Idempotency-Key": "k"})

    mia = (await create()).json()["id"]
    ended = await clinic.service.http.delete(f"/patients/me/dependants/{mia}", headers=kim)
    assert ended.status_code == 204
    assert (await clinic.merge(mia)).status_code == 200
    assert (await erase(clinic)).status_code == 202
    again = await create()
    assert (again.status_code, again.json()["code"]) == (404, "no_such_patient")
    assert UUID(mia) not in [row.id for row in await clinic.rows(sa.select(PATIENTS))]


async def test_rows_with_an_id_that_was_erased_before_do_not_hold_up_the_retention(clinic: MergeClinic) -> None:
    """An earlier release could create such rows."""
    walk_in, other = UUID(await clinic.add_walk_in()), UUID(await clinic.add_walk_in(identifiers=[]))
    erasure = {"id": UUID(int=9), "patient_id": walk_in, "reason": "requested", "requested_at": NOON, "published_at": NOON}
    await change_database(
        clinic.url,
        sa.insert(ERASURES).values(**erasure, pass_number=2, completed_at=NOON),
        sa.update(PATIENTS).where(PATIENTS.c.id.in_([walk_in, other])).values(changed_at=NOON.replace(year=2010)),
    )
    clinic.service.clock.advance(timedelta(hours=1))
    await clinic.service.run_until_idle()
    assert {row.id for row in await clinic.rows(sa.select(PATIENTS))} == {SAM, walk_in}
