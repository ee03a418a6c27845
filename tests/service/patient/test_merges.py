"""Merging a patient without an account into another one: what follows, who is told, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from patient_svc.domain.guardians import MAX_DEPENDANTS, MAX_GUARDIANS
from patient_svc.domain.identifiers import MAX_IDENTIFIERS
from patient_svc.repository.tables import BREAK_GLASS, GUARDIANS, MEDICAL_VERSIONS, PATIENTS, RECORD_KEYS, SEARCH_KEYS
from shared.contracts.events import AuditRecorded, PatientChanged, PatientMerged
from shared.contracts.identity import Role, Service
from shared.kit.sql import Database
from tests.running import NOON, RunningService, not_found_response, problem_response, run_service
from tests.service.patient.appointments_upstream import a_record, an_event_of
from tests.service.patient.running_patient import DOCTOR, OTHER, PROFILE, SAM, SAMS_TOKEN, create_profile, get_contacts, list_events
from tests.tokens import bearer, service_bearer

ADMIN, RECEPTION, TREATING = bearer(Role.ADMIN, UUID(int=71)), bearer(Role.RECEPTION, UUID(int=70)), bearer(Role.DOCTOR, DOCTOR)
APPOINTMENT = service_bearer("appointment-service")
NUMBER = {"system": "urn:insurance", "value": "A1"}
WALK_IN: dict[str, Any] = {"full_name": "Sam Li", "phone": "+49 30 999", "born_on": "1984-06-02", "identifiers": [NUMBER]}
EXPOSURE = {"kind": "condition", "title": "Asthma", "details": "since childhood"}


@dataclass
class LiveVisitsUpstream:
    """The internal list of appointment-service: visits that are not over, as (id, patient, start, minutes).

    `followed` are the merges that scheduling-service was told of, as paths and the id of the target; `has_calendar` is whether it answers.
    """

    visits: list[tuple[UUID, UUID, Any, int]] = field(default_factory=list)
    answers: bool = True
    has_calendar: bool = True
    followed: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == Service.SCHEDULING:
            return self._follow_merge(request)
        if request.url.path != "/internal/appointments":
            return not_found_response()
        if not self.answers:
            return problem_response(503, "unavailable", retry_after=2)
        wanted = request.url.params.get_list("patient_id")
        items = [
            {
                "id": str(visit_id),
                "patient_id": str(patient_id),
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(minutes=minutes)).isoformat(),
            }
            for visit_id, patient_id, starts_at, minutes in self.visits
            if str(patient_id) in wanted and "doctor_id" not in request.url.params
        ]
        return httpx.Response(200, json={"items": items, "next": None})

    def _follow_merge(self, request: httpx.Request) -> httpx.Response:
        if not self.has_calendar:
            return problem_response(503, "unavailable", retry_after=2)
        self.followed.append((f"{request.method} {request.url.path}", json.loads(request.content)["into"]))
        return httpx.Response(204)


@dataclass
class MergeClinic:
    """patient-service with Sam, who has an account, and appointment-service as it answers."""

    service: RunningService
    upstream: LiveVisitsUpstream
    url: str

    async def add_walk_in(self, **fields: Any) -> str:
        response = await self.service.http.post("/patients", json=WALK_IN | fields, headers=ADMIN)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def merge(self, source: Any, into: Any = SAM, *, caller: dict[str, str] = ADMIN, query: str = "") -> httpx.Response:
        return await self.service.http.post(f"/patients/{source}/merge{query}", json={"into": str(into)}, headers=caller)

    async def get(self, path: str, caller: dict[str, str] = ADMIN) -> Any:
        return (await self.service.http.get(path, headers=caller)).json()

    async def rows(self, query: sa.Select[Any]) -> list[Any]:
        async with Database(self.url) as database, database.read() as connection:
            return list((await connection.execute(query)).all())


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[MergeClinic]:
    upstream, events = LiveVisitsUpstream(), (PatientChanged, PatientMerged, AuditRecorded)
    async with run_service("patient_svc", tmp_path, upstream, record_events=events, database_url=sql_url) as service:
        await create_profile(service, SAM, **PROFILE)
        yield MergeClinic(service, upstream, sql_url)


async def test_everything_of_the_old_profile_is_the_targets_afterwards(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in(born_on="2012-06-02")
    await create_profile(clinic.service, OTHER)
    await clinic.service.http.post(f"/patients/{old}/guardians", json={"guardian_id": str(OTHER)}, headers=ADMIN)
    record = a_record(3, patient_id=UUID(old))
    await clinic.service.publish_event(an_event_of(record))
    await clinic.service.http.post(f"/patients/{old}/medical-history", json=EXPOSURE, headers=TREATING)
    moved = {"visits": 1, "medical_entries": 1, "identifiers": 1, "guardians": 1, "dependants": 0}
    preview = await clinic.merge(old, query="?dry_run=true")
    expected = {"patient_id": old, "into": str(SAM), "moved": moved, "filled": ["born_on"], "merged_at": None, "refusal": None}
    assert (preview.status_code, preview.json()) == (200, expected)
    assert (await clinic.get(f"/patients/{old}"))["full_name"] == "Sam Li", "a preview changes nothing"

    merged = await clinic.merge(old)
    assert (merged.status_code, merged.json()) == (200, expected | {"merged_at": "2026-03-02T12:00:00Z"})
    assert (await clinic.merge(old)).json() == (await clinic.merge(old, query="?dry_run=true")).json() == merged.json()
    profile = await clinic.get(f"/patients/{SAM}")
    assert (profile["full_name"], profile["phone"], profile["born_on"]) == ("Sam Lee", "+49 30 123456", "2012-06-02")
    assert profile["identifiers"] == [NUMBER]
    assert [entry["title"] for entry in (await clinic.get(f"/patients/{SAM}/medical-history", TREATING))["items"]] == ["Asthma"]
    assert [visit["appointment_id"] for visit in (await clinic.get(f"/patients/{SAM}/appointments"))["items"]] == [
        str(record.appointment_id)
    ]
    assert [guardian["id"] for guardian in (await clinic.get(f"/patients/{SAM}/guardians"))["items"]] == [str(OTHER)]
    assert [found["id"] for found in (await clinic.get("/patients?q=2012-06-02"))["items"]] == [str(SAM)]


async def test_the_history_is_encrypted_for_the_target_and_the_old_key_is_destroyed(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    await clinic.service.publish_event(an_event_of(a_record(3, patient_id=UUID(old))))
    added = await clinic.service.http.post(f"/patients/{old}/medical-history", json=EXPOSURE, headers=TREATING)
    path = f"/medical-history/{added.json()['id']}"
    corrected = {"title": "Severe asthma"}
    changed = await clinic.service.http.patch(f"/patients/{old}{path}", json=corrected, headers=TREATING | {"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    await clinic.service.http.post(f"/patients/{old}/break-glass", json={"reason": "Emergency call"}, headers=ADMIN)
    before = {(row.entry_id, row.version): row for row in await clinic.rows(sa.select(MEDICAL_VERSIONS))}
    assert (await clinic.merge(old)).status_code == 200
    after = {(row.entry_id, row.version): row for row in await clinic.rows(sa.select(MEDICAL_VERSIONS))}
    assert before.keys() == after.keys()
    assert all(before[key].title != after[key].title and before[key].author_id == after[key].author_id for key in before)
    assert [row.patient_id for row in await clinic.rows(sa.select(RECORD_KEYS))] == [SAM]
    versions = (await clinic.get(f"/patients/{SAM}{path}/versions", SAMS_TOKEN))["items"]
    assert [version["title"] for version in versions] == ["Severe asthma", "Asthma"]
    (opened,) = await clinic.rows(sa.select(BREAK_GLASS))
    assert (opened.patient_id, opened.expires_at) == (SAM, NOON), "an admin who opened the old history cannot read the target's by that"
    refused = await clinic.service.http.get(f"/patients/{SAM}/medical-history", headers=ADMIN)
    assert (refused.status_code, refused.json()["code"]) == (403, "break_glass_required")


async def test_the_old_id_answers_404_and_only_staff_are_told_who_has_the_data(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    await clinic.service.publish_event(an_event_of(a_record(3, patient_id=UUID(old))))
    await clinic.merge(old)
    get = clinic.service.http.get
    for caller, code in (
        (ADMIN, "patient_merged"),
        (RECEPTION, "patient_merged"),
        (TREATING, "no_such_patient"),
        (SAMS_TOKEN, "no_such_patient"),
    ):
        for path in ("", "/appointments"):
            response = await get(f"/patients/{old}{path}", headers=caller)
            assert (response.status_code, response.json()["code"]) == (404, code)
            assert response.json().get("merged_into") == (str(SAM) if code == "patient_merged" else None)
    guardian = {"guardian_id": str(SAM)}
    for method, path, body in (
        ("POST", "/guardians", guardian),
        ("GET", "/guardians", None),
        ("DELETE", f"/guardians/{SAM}", None),
        ("PATCH", "", {"phone": "+49 30 1"}),
        ("POST", "/break-glass", {"reason": "Emergency call"}),
        ("POST", "/merge", {"into": str(OTHER)}),
    ):
        response = await clinic.service.http.request(method, f"/patients/{old}{path}", json=body, headers=ADMIN | {"If-Match": "*"})
        assert (response.status_code, response.json()["code"]) == (404, "patient_merged"), (method, path)
    lookup = await get(f"/internal/patients/{old}", headers=APPOINTMENT)
    assert lookup.status_code == 404, "so that nothing can be booked or held for the old id"
    assert (lookup.json()["code"], lookup.json()["merged_into"]) == ("patient_merged", str(SAM)), "so that visits can follow"
    assert await get_contacts(clinic.service, old) == []
    (stub,) = await clinic.rows(sa.select(PATIENTS).where(PATIENTS.c.id == UUID(old)))
    assert (stub.full_name, stub.phone, stub.born_on, stub.identifiers) == ("", None, None, [])
    assert await clinic.rows(sa.select(SEARCH_KEYS).where(SEARCH_KEYS.c.patient_id == UUID(old))) == []


async def test_others_are_told_by_one_event_and_both_logs_have_a_line(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    await clinic.merge(old)
    (event,) = await list_events(clinic.service, PatientMerged)
    assert (str(event.patient_id), event.into, event.version) == (old, SAM, 2)
    assert [change.version for change in await list_events(clinic.service, PatientChanged) if change.patient_id == SAM] == [1, 2]
    lines = [line for line in await list_events(clinic.service, AuditRecorded) if line.action == "profile.merge"]
    assert {(str(line.subject_id), str(line.row_id), line.relation) for line in lines} == {
        (old, str(SAM), "admin"),
        (str(SAM), old, "admin"),
    }
    log = (await clinic.get("/patients/me/access-log", SAMS_TOKEN))["items"]
    assert [line["action"] for line in log] == ["profile.merge", "profile.merge", "profile.create"], "with the lines of the old profile"


async def test_events_that_come_late_with_the_old_id_are_the_targets(clinic: MergeClinic) -> None:
    first, second = await clinic.add_walk_in(), await clinic.add_walk_in(identifiers=[])
    assert (await clinic.merge(first, second)).status_code == 200
    assert (await clinic.merge(second)).status_code == 200, "a patient who is a target can be merged later"
    record = a_record(4, patient_id=UUID(first))
    await clinic.service.publish_event(an_event_of(record))
    visits = (await clinic.get(f"/patients/{SAM}/appointments"))["items"]
    assert [visit["appointment_id"] for visit in visits] == [str(record.appointment_id)]
    answer = (await clinic.service.http.get(f"/patients/{first}", headers=ADMIN)).json()
    assert answer["merged_into"] == str(SAM)


async def test_patients_with_visits_at_the_same_time_are_not_merged(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    ids = [UUID(int=number) for number in range(41, 46)]
    clinic.upstream.visits = [
        (ids[0], UUID(old), NOON + timedelta(hours=1), 30),
        (ids[1], SAM, NOON + timedelta(hours=1, minutes=29), 30),
        (ids[2], SAM, NOON + timedelta(hours=1, minutes=30), 30),
        (ids[3], UUID(old), NOON - timedelta(hours=1), 30),
        (ids[4], SAM, NOON - timedelta(hours=1), 30),
    ]
    pairs = [{"appointment_id": str(ids[0]), "appointment_id_of_target": str(ids[1])}]
    refused = await clinic.merge(old)
    assert (refused.status_code, refused.json()["code"], refused.json()["overlapping"]) == (409, "visits_overlap", pairs)
    preview = (await clinic.merge(old, query="?dry_run=true")).json()
    assert (preview["refusal"]["code"], preview["refusal"]["facts"]) == ("visits_overlap", {"overlapping": pairs})
    assert (await clinic.get(f"/patients/{old}"))["full_name"] == "Sam Li"
    clinic.upstream.answers = False
    assert (await clinic.merge(old)).status_code == 503
    clinic.upstream.answers, clinic.upstream.visits = True, clinic.upstream.visits[2:]
    assert (await clinic.merge(old)).status_code == 200


async def test_what_cannot_be_merged_is_refused_with_a_code(clinic: MergeClinic) -> None:
    old, other = await clinic.add_walk_in(), await clinic.add_walk_in(identifiers=[])
    await clinic.service.http.post(f"/patients/{other}/guardians", json={"guardian_id": str(SAM)}, headers=ADMIN)
    for source, target, status, code in (
        (SAM, old, 409, "source_has_account"),
        (old, old, 422, "same_patient"),
        (old, UUID(int=99), 422, "no_such_target"),
        (UUID(int=99), old, 404, "no_such_patient"),
        (other, SAM, 409, "guardian_and_dependant"),
    ):
        refused = await clinic.merge(source, target)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    for caller in (RECEPTION, TREATING, SAMS_TOKEN, APPOINTMENT):
        assert (await clinic.merge(old, caller=caller)).status_code == 403
    stale = await clinic.merge(old, caller=ADMIN | {"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert (await clinic.merge(old, other)).status_code == 200
    gone = await clinic.merge(await clinic.add_walk_in(identifiers=[]), old)
    assert (gone.status_code, gone.json()["code"]) == (422, "no_such_target")


async def refuse_merge(clinic: MergeClinic, source: str, into: Any, code: str, limit: int) -> None:
    """Check that a merge and its preview are refused with a limit, and that both patients stay as they are."""
    refused, preview = await clinic.merge(source, into), await clinic.merge(source, into, query="?dry_run=true")
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (409, code, limit)
    told = preview.json()["refusal"]
    assert (preview.status_code, told["code"], told["facts"]) == (200, code, {"limit": limit})
    assert (await clinic.get(f"/patients/{source}"))["full_name"] == "Sam Li"
    assert await list_events(clinic.service, PatientMerged) == []


async def test_together_they_have_at_most_two_guardians_and_the_same_one_counts_once(clinic: MergeClinic) -> None:
    old, into = await clinic.add_walk_in(), await clinic.add_walk_in(identifiers=[])
    guardians = [UUID(int=number) for number in range(51, 54)]
    for guardian in guardians:
        await create_profile(clinic.service, guardian)
    for dependant, guardian in ((old, guardians[0]), (old, guardians[1]), (into, guardians[1]), (into, guardians[2])):
        path, body = f"/patients/{dependant}/guardians", {"guardian_id": str(guardian)}
        assert (await clinic.service.http.post(path, json=body, headers=ADMIN)).status_code == 201
    await refuse_merge(clinic, old, into, "too_many_guardians", MAX_GUARDIANS)
    await clinic.service.http.delete(f"/patients/{into}/guardians/{guardians[2]}", headers=ADMIN)
    assert (await clinic.merge(old, into)).status_code == 200
    listed = (await clinic.get(f"/patients/{into}/guardians"))["items"]
    assert {guardian["id"] for guardian in listed} == {str(guardians[0]), str(guardians[1])}


async def test_together_they_have_at_most_twenty_dependants(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    dependants = [await clinic.add_walk_in(identifiers=[]) for _ in range(MAX_DEPENDANTS + 1)]
    async with Database(clinic.url) as database, database.write() as connection:
        # Only patients with an account become guardians, and those who had one are guardians still.
        rows = [{"guardian_id": UUID(old) if number == 0 else SAM, "dependant_id": UUID(id_)} for number, id_ in enumerate(dependants)]
        await connection.execute(sa.insert(GUARDIANS), rows)
    await refuse_merge(clinic, old, SAM, "too_many_dependants", MAX_DEPENDANTS)
    await clinic.service.http.delete(f"/patients/{dependants[1]}/guardians/{SAM}", headers=ADMIN)
    assert (await clinic.merge(old)).status_code == 200
    guarded = (await clinic.get("/patients/me/dependants?limit=100", SAMS_TOKEN))["items"]
    assert {item["id"] for item in guarded} == set(dependants) - {dependants[1]}


async def test_together_they_have_at_most_ten_identifiers_and_a_free_one_makes_the_merge_possible(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    many = await clinic.add_walk_in(identifiers=[{"system": f"urn:{number}", "value": "1"} for number in range(MAX_IDENTIFIERS)])
    await refuse_merge(clinic, old, many, "too_many_identifiers", MAX_IDENTIFIERS)
    fewer = {"identifiers": [{"system": f"urn:{number}", "value": "1"} for number in range(MAX_IDENTIFIERS - 1)]}
    changed = await clinic.service.http.patch(f"/patients/{many}", json=fewer, headers=ADMIN | {"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert (await clinic.merge(old, many)).status_code == 200
    assert len((await clinic.get(f"/patients/{many}"))["identifiers"]) == MAX_IDENTIFIERS


async def test_nothing_is_added_to_the_old_profile_while_it_is_merged(clinic: MergeClinic) -> None:
    """Entries, guardians, events and reads run at the same time: what succeeded is the target's, and no read shows an empty history."""
    await create_profile(clinic.service, OTHER)
    for round_number in range(3):
        old = await clinic.add_walk_in(identifiers=[])
        record = a_record(10 + round_number, patient_id=UUID(old))
        await clinic.service.publish_event(an_event_of(record))
        path, http = f"/patients/{old}/medical-history", clinic.service.http
        first = await http.post(path, json=EXPOSURE, headers=TREATING)
        before = len((await clinic.get(f"/patients/{SAM}/medical-history?limit=100", SAMS_TOKEN))["items"])
        assert first.status_code == 201
        merged, *added = await asyncio.gather(
            clinic.merge(old),
            *(http.post(path, json=EXPOSURE, headers=TREATING) for _ in range(3)),
            http.post(f"/patients/{old}/guardians", json={"guardian_id": str(OTHER)}, headers=ADMIN),
            *(http.get(path, headers=TREATING) for _ in range(3)),
        )
        assert merged.status_code == 200, merged.text
        *entries, guardian, read, second_read, third_read = added
        for reading in (read, second_read, third_read):
            assert reading.status_code == 404 or reading.json()["items"]
        assert guardian.status_code in (201, 404)
        count = 1 + sum(response.status_code == 201 for response in entries)
        after = (await clinic.get(f"/patients/{SAM}/medical-history?limit=100", SAMS_TOKEN))["items"]
        assert len(after) == before + count
        assert {row.patient_id for row in await clinic.rows(sa.select(RECORD_KEYS))} == {SAM}


async def test_visits_that_still_have_a_former_id_overlap_as_those_of_the_patient_do(clinic: MergeClinic) -> None:
    """appointment-service follows a merge a little later: after it, its visits have the old id for a while."""
    overlapping = [UUID(int=41), UUID(int=42)]
    first, second, third = [await clinic.add_walk_in(identifiers=[]) for _ in range(3)]
    clinic.upstream.visits = [
        (overlapping[0], UUID(first), NOON + timedelta(hours=1), 30),
        (overlapping[1], UUID(second), NOON + timedelta(hours=1), 30),
    ]
    assert (await clinic.merge(first)).status_code == 200
    refused, preview = await clinic.merge(second), await clinic.merge(second, query="?dry_run=true")
    pairs = [{"appointment_id": str(overlapping[1]), "appointment_id_of_target": str(overlapping[0])}]
    assert (refused.status_code, refused.json().get("overlapping")) == (409, pairs)
    assert preview.json()["refusal"]["facts"] == {"overlapping": pairs}
    assert (await clinic.merge(second, third)).status_code == 200
    refused = await clinic.merge(third)
    assert (refused.status_code, refused.json().get("overlapping")) == (409, pairs), "the source has a former id, too"


async def test_somebody_who_is_merged_into_the_target_after_the_question_is_asked_about_as_well(clinic: MergeClinic) -> None:
    for round_number in range(3):
        starts_at = NOON + timedelta(days=round_number, hours=1)
        walk_ins = [await clinic.add_walk_in(identifiers=[]) for _ in range(2)]
        clinic.upstream.visits += [(UUID(int=50 + 2 * round_number + index), UUID(walk_ins[index]), starts_at, 30) for index in (0, 1)]
        statuses = [response.status_code for response in await asyncio.gather(*map(clinic.merge, walk_ins))]
        assert sorted(statuses) == [200, 409]


async def test_many_former_ids_are_asked_about_in_several_requests(clinic: MergeClinic) -> None:
    async with Database(clinic.url) as database, database.write() as connection:
        merged = {"full_name": "", "has_account": False, "active": True, "version": 2, "merged_into": SAM}
        columns = (await connection.execute(sa.select(PATIENTS).where(PATIENTS.c.id == SAM))).one()._mapping
        await connection.execute(sa.insert(PATIENTS), [{**columns, **merged, "id": UUID(int=5000 + number)} for number in range(90)])
    old = await clinic.add_walk_in(identifiers=[])
    clinic.upstream.visits = [(UUID(int=41), UUID(int=5089), NOON, 30), (UUID(int=42), UUID(old), NOON, 30)]
    assert (await clinic.merge(old)).status_code == 409


async def test_a_merge_loses_no_entry_and_nothing_is_added_until_there_are_fewer_than_the_limit(tmp_path: Path, sql_url: str) -> None:
    upstream = LiveVisitsUpstream()
    async with run_service("patient_svc", tmp_path, upstream, database_url=sql_url, max_entries=2) as service:
        await create_profile(service, SAM, **PROFILE)
        clinic = MergeClinic(service, upstream, sql_url)
        old = await clinic.add_walk_in()
        for number, patient_id in enumerate((UUID(old), SAM)):
            await service.publish_event(an_event_of(a_record(number + 3, patient_id=patient_id)))
            for _ in range(2):
                added = await service.http.post(f"/patients/{patient_id}/medical-history", json=EXPOSURE, headers=TREATING)
                assert added.status_code == 201, added.text
        assert (await clinic.merge(old)).status_code == 200
        path = f"/patients/{SAM}/medical-history"
        entries = (await clinic.get(path, TREATING))["items"]
        statuses = []
        for entry in entries:
            statuses.append((await service.http.post(path, json=EXPOSURE, headers=TREATING)).status_code)
            await service.http.post(f"{path}/{entry['id']}/retract", headers=TREATING)
        assert (len(entries), statuses) == (4, [409, 409, 409, 201])


async def test_what_is_refused_about_a_former_id_is_recorded_with_it(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    await clinic.merge(old)
    await clinic.service.run_until_idle()
    clinic.service.published.clear()
    http, stranger = clinic.service.http, bearer(Role.PATIENT, OTHER)
    guardian, changed = {"guardian_id": str(SAM)}, ADMIN | {"If-Match": "*"}
    attempts = [
        *[(path, http.get(f"/patients/{old}{path}", headers=TREATING)) for path in ("", "/medical-history", "/summary", "/appointments")],
        *[(path, http.get(f"/patients/{old}{path}", headers=stranger)) for path in ("", "/medical-history")],
        *[(path, http.get(f"/patients/{old}{path}", headers=ADMIN)) for path in ("/summary", "/guardians", "/break-glass")],
        ("PATCH", http.patch(f"/patients/{old}", json={"phone": "+49 30 1"}, headers=changed)),
        ("POST guardians", http.post(f"/patients/{old}/guardians", json=guardian, headers=ADMIN)),
        ("DELETE guardians", http.delete(f"/patients/{old}/guardians/{SAM}", headers=ADMIN)),
        ("break-glass", http.post(f"/patients/{old}/break-glass", json={"reason": "Emergency call"}, headers=ADMIN)),
        ("merge", clinic.merge(old, OTHER)),
        ("preview", clinic.merge(old, OTHER, query="?dry_run=true")),
        ("role", http.post(f"/patients/{old}/medical-history", json=EXPOSURE, headers=RECEPTION)),
    ]
    for number, (name, request) in enumerate(attempts, 1):
        assert (await request).status_code in (403, 404), name
        lines = await list_events(clinic.service, AuditRecorded)
        assert [(line.subject_id, line.outcome) for line in lines] == [(UUID(old), "refused")] * number, name


async def test_a_refused_merge_and_a_taken_identifier_leave_lines_with_the_patients_who_are_shown(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    clinic.upstream.visits = [(UUID(int=41 + number), patient, NOON, 30) for number, patient in enumerate((UUID(old), SAM))]
    await clinic.service.run_until_idle()
    clinic.service.published.clear()
    assert (await clinic.merge(old)).status_code == 409
    taken = await clinic.service.http.post("/patients", json=WALK_IN, headers=RECEPTION)
    changed = await clinic.service.http.patch(f"/patients/{SAM}", json={"identifiers": [NUMBER]}, headers=RECEPTION | {"If-Match": "*"})
    assert [response.json()["code"] for response in (taken, changed)] == ["identifier_taken"] * 2
    lines = await list_events(clinic.service, AuditRecorded)
    assert sorted((str(line.subject_id), line.action, line.outcome) for line in lines) == sorted(
        [(str(patient_id), "profile.merge", "refused") for patient_id in (old, SAM)] + [(old, "profile.read", "done")] * 2
    )


async def test_the_calendar_knows_a_merge_before_the_admin_does_and_a_merge_without_its_answer_is_repeated(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    clinic.upstream.has_calendar = False
    unanswered = await clinic.merge(old)
    assert (unanswered.status_code, unanswered.json()["code"], unanswered.headers["Retry-After"]) == (503, "unavailable", "2")
    assert (await clinic.service.http.get(f"/patients/{old}", headers=ADMIN)).json()["code"] == "patient_merged"
    clinic.upstream.has_calendar = True
    assert (await clinic.merge(old)).status_code == 200
    assert clinic.upstream.followed == [(f"PUT /internal/patients/{old}/merge", str(SAM))]


async def test_a_refused_merge_and_a_preview_do_not_reach_the_calendar(clinic: MergeClinic) -> None:
    old = await clinic.add_walk_in()
    assert (await clinic.merge(old, query="?dry_run=true")).status_code == 200
    assert (await clinic.merge(SAM, old)).status_code == 409
    assert clinic.upstream.followed == []


@pytest.mark.parametrize("refusal", ["consent", "offsets"])
async def test_who_refused_reminders_gets_none_at_their_address_after_a_merge(clinic: MergeClinic, refusal: str) -> None:
    refused = {"reminders_consent": False} if refusal == "consent" else {}
    old = await clinic.add_walk_in(email="sam@example.com", **refused)
    if refusal == "offsets":
        notification = service_bearer("notification-service")
        ended = await clinic.service.http.post(f"/internal/patients/{old}/end-reminders", headers=notification)
        assert ended.status_code == 204
    target = await clinic.add_walk_in(identifiers=[])
    preview = (await clinic.merge(old, target, query="?dry_run=true")).json()
    assert preview["filled"] == ["email", "reminders_consent"]
    assert (await clinic.merge(old, target)).json()["filled"] == preview["filled"]
    profile = await clinic.get(f"/patients/{target}")
    assert (profile["email"], profile["reminders_consent"]) == ("sam@example.com", False)


async def test_a_merge_changes_the_consent_of_nobody_who_keeps_their_own_address(clinic: MergeClinic) -> None:
    refusing = await clinic.add_walk_in(email="sam@example.com", reminders_consent=False)
    consenting = await clinic.add_walk_in(email="li@example.com", identifiers=[])
    assert "reminders_consent" not in (await clinic.merge(refusing, consenting)).json()["filled"]
    assert (await clinic.get(f"/patients/{consenting}"))["reminders_consent"] is True
    assert "reminders_consent" not in (await clinic.merge(consenting)).json()["filled"], "an account has its own address"
    assert (await clinic.get(f"/patients/{SAM}"))["reminders_consent"] is True


async def test_a_refusal_of_the_target_stays_with_the_address_of_somebody_who_consents(clinic: MergeClinic) -> None:
    consenting = await clinic.add_walk_in(email="li@example.com")
    refusing = await clinic.add_walk_in(identifiers=[], reminders_consent=False)
    assert (await clinic.merge(consenting, refusing)).json()["filled"] == ["email"]
    assert (await clinic.get(f"/patients/{refusing}"))["reminders_consent"] is False
