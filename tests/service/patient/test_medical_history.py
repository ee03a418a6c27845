"""Medical histories over HTTP: entries are added, corrected in versions, retracted and never lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from patient_svc.domain.records import MAX_VERSIONS, STORED_PER_LIMIT
from patient_svc.repository.tables import INFRASTRUCTURE
from shared.kit.sql import Database
from tests.running import NOON
from tests.service.patient.medical_histories import ASTHMA, CALLERS, HISTORY, SUMMARY, Histories, run_histories
from tests.service.patient.running_patient import DOCTOR, SAM

PENICILLIN = {"kind": "allergy", "title": "Penicillin", "severity": "severe", "details": "Rash\nand fever", "onset_on": "2019-07-01"}
FULL = {
    "kind": "medication",
    "title": "Salbutamol",
    "details": "when needed",
    "onset_on": "2020-02-29",
    "status": "inactive",
    "dose": "2 puffs of 100 µg",
    "code": {"system": "http://www.whocc.no/atc", "code": "R03AC02"},
}


@pytest.fixture
async def histories(tmp_path: Path, sql_url: str) -> AsyncIterator[Histories]:
    """The service on SQLite and on MariaDB."""
    async with run_histories(tmp_path, sql_url) as running:
        yield running


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Histories]:
    """The service on SQLite, with few entries for each kind."""
    async with run_histories(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'patient.db'}", max_entries=2) as running:
        yield running


async def test_an_entry_comes_back_as_it_was_sent(histories: Histories) -> None:
    created = await histories.call("POST", HISTORY, "treating doctor", FULL)
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    entry = created.json()
    times = {"created_at": "2026-03-02T12:00:00Z", "recorded_at": "2026-03-02T12:00:00Z"}
    people = {"patient_id": str(SAM), "author_id": str(DOCTOR), "reported_by": "practitioner"}
    rest = {"severity": None, "retracted": False, "retraction_reason": None, "version": 1, "id": entry["id"]}
    assert entry == FULL | times | people | rest
    assert created.headers["location"] == f"{HISTORY}/{entry['id']}"
    read = await histories.call("GET", created.headers["location"], "self")
    assert (read.json(), read.headers["etag"]) == (entry, '"1"')
    assert (await histories.call("GET", HISTORY, "guardian")).json() == {"items": [entry], "next": None}


async def test_an_entry_without_a_status_is_active_where_its_kind_has_one(histories: Histories) -> None:
    statuses = {kind: (await histories.add(kind=kind))["status"] for kind in ("condition", "allergy", "medication", "procedure", "note")}
    assert statuses == {"condition": "active", "allergy": "active", "medication": "active", "procedure": None, "note": None}


async def test_every_correction_is_a_version_and_all_versions_stay_readable(histories: Histories) -> None:
    entry = await histories.add("self", title="Ashtma", details="since winter")
    path = f"{HISTORY}/{entry['id']}"
    histories.service.clock.set(NOON + timedelta(hours=1))
    corrected = await histories.call("PATCH", path, "self", {"title": "Asthma"}, If_Match='"1"')
    assert (corrected.status_code, corrected.headers["etag"]) == (200, '"2"'), corrected.text
    cleared = await histories.call("PATCH", path, "treating doctor", {"details": None, "status": "resolved"}, If_Match='"2"')
    assert cleared.json() == corrected.json() | {
        "details": None,
        "status": "resolved",
        "version": 3,
        "author_id": str(DOCTOR),
        "reported_by": "practitioner",
    }
    unchanged = await histories.call("PATCH", path, "treating doctor", {"status": "resolved"}, If_Match='"3"')
    assert unchanged.json() == cleared.json()
    first_page = (await histories.call("GET", f"{path}/versions?limit=2", "self")).json()
    second_page = (await histories.call("GET", f"{path}/versions?limit=2&after={first_page['next']}", "self")).json()
    assert first_page["items"] + second_page["items"] == [cleared.json(), corrected.json(), entry]
    assert (corrected.json()["created_at"], corrected.json()["recorded_at"]) == ("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z")
    assert second_page["next"] is None


async def test_a_stale_or_missing_version_changes_nothing(histories: Histories) -> None:
    path = f"{HISTORY}/{(await histories.add())['id']}"
    missing = await histories.call("PATCH", path, "treating doctor", {"title": "Other"})
    stale = await histories.call("PATCH", path, "treating doctor", {"title": "Other"}, If_Match='"2"')
    stale_retraction = await histories.call("POST", f"{path}/retract", "treating doctor", {}, If_Match='"2"')
    assert [response.status_code for response in (missing, stale, stale_retraction)] == [428, 412, 412]
    assert await histories.list_titles() == ["Asthma"]


async def test_a_retracted_entry_stays_readable_with_its_reason_and_is_never_changed_again(histories: Histories) -> None:
    entry = await histories.add("self")
    path = f"{HISTORY}/{entry['id']}"
    retracted = await histories.call("POST", f"{path}/retract", "self", {"reason": "It was bronchitis"})
    assert retracted.json() == entry | {"retracted": True, "retraction_reason": "It was bronchitis", "version": 2}
    again = await histories.call("POST", f"{path}/retract", "treating doctor", {"reason": "Another reason"})
    assert (again.status_code, again.json()) == (200, retracted.json())
    refused = await histories.call("PATCH", path, "self", {"title": "Other"}, If_Match='"2"')
    assert (refused.status_code, refused.json()["code"]) == (409, "entry_retracted")
    assert await histories.list_titles() == ["Asthma"]
    assert (await histories.list_titles("?retracted=false"), await histories.list_titles("?retracted=true")) == ([], ["Asthma"])
    assert [version["retracted"] for version in (await histories.call("GET", f"{path}/versions", "self")).json()["items"]] == [True, False]


async def test_a_patient_changes_only_what_patients_reported_and_the_doctor_everything(histories: Histories) -> None:
    of_doctor, of_patient = await histories.add("treating doctor"), await histories.add("guardian", title="Cough")
    assert (of_doctor["reported_by"], of_patient["reported_by"]) == ("practitioner", "patient")
    path = f"{HISTORY}/{of_doctor['id']}"
    for caller in ("self", "guardian"):
        refusals = [
            await histories.call("PATCH", path, caller, {"title": "Other"}, If_Match='"1"'),
            await histories.call("POST", f"{path}/retract", caller),
        ]
        assert [(response.status_code, response.json()["code"]) for response in refusals] == [(403, "reported_by_practitioner")] * 2
    path = f"{HISTORY}/{of_patient['id']}"
    corrected = [
        await histories.call("PATCH", path, "self", {"title": "A cough"}, If_Match='"1"'),
        await histories.call("PATCH", path, "treating doctor", {"title": "Croup"}, If_Match='"2"'),
    ]
    assert [response.json()["reported_by"] for response in corrected] == ["patient", "practitioner"]
    assert (await histories.call("PATCH", path, "self", {"title": "A cough"}, If_Match='"3"')).status_code == 403


async def test_a_list_has_filters_and_pages_without_repetition_or_gap(histories: Histories) -> None:
    for number in range(5):
        histories.service.clock.set(NOON + timedelta(minutes=number // 2))
        await histories.add(title=f"Condition {number}", status="resolved" if number % 2 else "active")
    await histories.add(kind="note", title="A note", code=None)
    assert await histories.list_titles("?kind=note") == ["A note"]
    assert sorted(await histories.list_titles("?status=resolved")) == ["Condition 1", "Condition 3"]
    assert len(await histories.list_titles("?kind=condition&kind=note&status=active")) == 3
    titles, cursor = list[str](), ""
    while cursor is not None:
        page = (await histories.call("GET", f"{HISTORY}?limit=2{cursor and '&after=' + cursor}", "self")).json()
        titles += [entry["title"] for entry in page["items"]]
        cursor = page["next"]
    assert titles == await histories.list_titles()
    assert sorted(titles) == ["A note", *(f"Condition {number}" for number in range(5))]
    refused = await histories.call("GET", f"{HISTORY}?after=WyJ4Il0", "self")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"onset_on": "2026-03-03"}, "onset_in_the_future", "/onset_on"),
        ({"onset_on": "2015-04-30"}, "onset_before_birth", "/onset_on"),
        ({"onset_on": "2020-02-30"}, "validation_failed", "/onset_on"),
        ({"onset_on": "1066-10-14"}, "out_of_range", "/onset_on"),
        ({"dose": "5 mg"}, "field_not_for_kind", "/dose"),
        ({"severity": "mild"}, "field_not_for_kind", "/severity"),
        ({"kind": "note", "status": "active"}, "field_not_for_kind", "/status"),
        ({"kind": "hunch"}, "validation_failed", "/kind"),
        ({"status": "entered-in-error"}, "validation_failed", "/status"),
        ({"title": "x" * 201}, "validation_failed", "/title"),
        ({"title": "two\nlines"}, "control_character", "/title"),
        ({"details": "x" * 2001}, "validation_failed", "/details"),
        ({"code": {"system": "http://example.com/codes", "code": "1"}}, "validation_failed", "/code/system"),
        ({"code": {"system": "http://snomed.info/sct", "code": "J45.9"}}, "bad_code", "/code/code"),
        ({"code": {"system": "http://www.whocc.no/atc", "code": "R03AC2"}}, "bad_code", "/code/code"),
        ({"code": {"system": "http://snomed.info/sct", "code": "1" * 40}}, "validation_failed", "/code/code"),
    ],
    ids=lambda value: None,
)
async def test_bad_input_is_refused_with_the_field_and_stores_nothing(
    small: Histories, fields: dict[str, Any], code: str, pointer: str
) -> None:
    refused = await small.call("POST", HISTORY, "treating doctor", ASTHMA | fields)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert await small.list_titles() == []


async def test_a_correction_is_checked_like_a_new_entry(small: Histories) -> None:
    path = f"{HISTORY}/{(await small.add())['id']}"
    for changes, code in (({"dose": "5 mg"}, "field_not_for_kind"), ({"onset_on": "2030-01-01"}, "onset_in_the_future")):
        refused = await small.call("PATCH", path, "treating doctor", changes, If_Match='"1"')
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    refused = await small.call("PATCH", path, "treating doctor", {"kind": "note"}, If_Match='"1"')
    assert refused.status_code == 422
    assert (await small.call("GET", path, "self")).json()["version"] == 1


async def test_entries_of_a_kind_are_limited_and_retracted_ones_do_not_count(small: Histories) -> None:
    first = await small.add()
    await small.add()
    refused = await small.call("POST", HISTORY, "self", ASTHMA)
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (409, "too_many_entries", 2)
    await small.add(kind="note", code=None)
    await small.call("POST", f"{HISTORY}/{first['id']}/retract", "treating doctor")
    await small.add()


async def test_simultaneous_requests_do_not_exceed_the_limit(tmp_path: Path, sql_url: str) -> None:
    """All requests may create the first entry, so they also agree on one key of the patient."""
    async with run_histories(tmp_path, sql_url, max_entries=3) as histories:
        responses = await asyncio.gather(*(histories.call("POST", HISTORY, "self", ASTHMA) for _ in range(8)))
        assert sorted(response.status_code for response in responses) == [201] * 3 + [409] * 5
        assert len(await histories.list_titles()) == 3


async def test_of_simultaneous_corrections_of_one_version_one_succeeds(histories: Histories) -> None:
    path = f"{HISTORY}/{(await histories.add('self'))['id']}"
    callers = ("self", "guardian", "treating doctor")
    responses = await asyncio.gather(
        *(histories.call("PATCH", path, caller, {"title": f"By {caller}"}, If_Match='"1"') for caller in callers),
        histories.call("POST", f"{path}/retract", "self", If_Match='"1"'),
    )
    statuses = sorted(response.status_code for response in responses)
    assert statuses in ([200, 412, 412, 412], [200, 403, 412, 412])  # 403: the doctor was first, and vouches for the entry now
    assert len((await histories.call("GET", f"{path}/versions", "self")).json()["items"]) == 2


async def test_a_repeated_request_gets_the_first_answer_again_although_no_answer_is_stored(histories: Histories) -> None:
    first = await histories.call("POST", HISTORY, "self", ASTHMA, Idempotency_Key="k1")
    path = first.headers["location"]
    await histories.call("PATCH", path, "self", {"title": "Severe asthma"}, If_Match='"1"')
    again = await histories.call("POST", HISTORY, "self", ASTHMA, Idempotency_Key="k1")
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, first.json(), "true")
    other = await histories.call("POST", HISTORY, "self", ASTHMA | {"title": "Other"}, Idempotency_Key="k1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    retracted = [await histories.call("POST", f"{path}/retract", "self", {"reason": "wrong"}, Idempotency_Key="k2") for _ in range(2)]
    assert retracted[0].json() == retracted[1].json()
    assert await histories.list_titles() == ["Severe asthma"]


async def test_what_is_stored_for_a_key_neither_shows_the_entry_nor_lets_it_be_guessed(histories: Histories, sql_url: str) -> None:
    body = b'{"kind":"condition","title":"Asthma"}'
    headers = CALLERS["self"] | {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
    assert (await histories.service.http.post(HISTORY, content=body, headers=headers)).status_code == 201
    async with Database(sql_url) as database, database.read() as connection:
        (stored,) = (await connection.execute(sa.select(INFRASTRUCTURE.idempotency_keys))).all()
    assert (stored.status, stored.headers, stored.body) == (None, None, None)
    assert stored.fingerprint != hashlib.sha256(b"\0".join((HISTORY.encode(), b"", b"", body))).hexdigest()


async def test_a_summary_begins_with_allergies_and_leaves_out_what_does_not_matter_now(histories: Histories) -> None:
    allergies = [("Pollen", "mild", "active"), ("Penicillin", "severe", "active"), ("Milk", "severe", "resolved")]
    for title, severity, status in allergies:
        await histories.add(kind="allergy", title=title, severity=severity, status=status, code=None)
    await histories.add(title="Measles", status="resolved")
    await histories.add(title="Asthma")
    await histories.add(kind="medication", title="Salbutamol", dose="2 puffs", code=None)
    wrong = await histories.add(kind="medication", title="Morphine", code=None)
    await histories.call("POST", f"{HISTORY}/{wrong['id']}/retract", "treating doctor")
    for number in range(12):
        histories.service.clock.set(NOON + timedelta(minutes=number))
        await histories.add(kind="note", title=f"Note {number}", code=None)
    summary = (await histories.call("GET", SUMMARY, "treating doctor")).json()
    titles = {name: [entry["title"] for entry in entries] for name, entries in summary.items() if name not in ("patient_id", "complete")}
    assert list(summary) == ["patient_id", "allergies", "conditions", "medications", "procedures", "notes", "complete"]
    assert summary["complete"]
    assert titles == {
        "allergies": ["Penicillin", "Pollen", "Milk"],
        "conditions": ["Asthma"],
        "medications": ["Salbutamol"],
        "procedures": [],
        "notes": [f"Note {number}" for number in range(11, 1, -1)],
    }


async def test_an_unknown_entry_and_an_entry_of_another_patient_are_not_found(histories: Histories) -> None:
    missing = f"{HISTORY}/{UUID(int=404)}"
    responses = [
        await histories.call("GET", missing, "self"),
        await histories.call("GET", f"{missing}/versions", "self"),
        await histories.call("PATCH", missing, "self", {"title": "x"}, If_Match="*"),
        await histories.call("POST", f"{missing}/retract", "self"),
    ]
    assert [(response.status_code, response.json()["code"]) for response in responses] == [(404, "no_such_entry")] * 4


async def test_a_summary_has_every_allergy_also_of_a_history_with_more_entries_than_it_may_have(tmp_path: Path, sql_url: str) -> None:
    """A merge, or a smaller PATIENT_MAX_ENTRIES, leaves more entries than may be added."""
    async with run_histories(tmp_path, sql_url) as histories:
        await histories.add(**PENICILLIN, code=None)
        for number in range(12):
            histories.service.clock.set(NOON + timedelta(minutes=number + 1))
            await histories.add(kind="allergy", title=f"Pollen {number}", severity="mild", code=None)
            for kind in ("condition", "medication", "note"):
                await histories.add(kind=kind, title=f"Later {number}", code=None)
    async with run_histories(tmp_path, sql_url, max_entries=2) as histories:
        summary = (await histories.call("GET", SUMMARY, "treating doctor")).json()
    assert summary["allergies"][0]["title"] == "Penicillin"
    assert len(summary["allergies"]) == 13
    assert [entry["title"] for entry in summary["medications"]] == ["Later 11", "Later 10"]
    assert not summary["complete"]


async def test_as_many_conditions_and_medications_as_a_history_may_have_are_a_complete_summary(small: Histories) -> None:
    for kind in ("condition", "condition", "medication", "medication"):
        await small.add(kind=kind, code=None)
    assert (await small.call("GET", SUMMARY, "treating doctor")).json()["complete"]


async def test_what_is_added_and_retracted_again_and_again_ends_at_a_ceiling(small: Histories) -> None:
    for _ in range(2 * STORED_PER_LIMIT):
        entry = await small.add("self")
        await small.call("POST", f"{HISTORY}/{entry['id']}/retract", "self")
    refused = await small.call("POST", HISTORY, "self", ASTHMA)
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (409, "too_many_stored_entries", 20)
    await small.add("self", kind="note", code=None)


async def test_an_entry_with_all_its_versions_is_corrected_no_more_but_can_be_retracted(small: Histories) -> None:
    path = f"{HISTORY}/{(await small.add('self'))['id']}"
    for version in range(1, MAX_VERSIONS):
        await small.call("PATCH", path, "self", {"title": f"Version {version}"}, If_Match=f'"{version}"')
    refused = await small.call("PATCH", path, "self", {"title": "Again"}, If_Match="*")
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (409, "too_many_versions", MAX_VERSIONS)
    unchanged = await small.call("PATCH", path, "self", {"title": f"Version {MAX_VERSIONS - 1}"}, If_Match="*")
    assert (unchanged.status_code, unchanged.json()["version"]) == (200, MAX_VERSIONS)
    retracted = await small.call("POST", f"{path}/retract", "self")
    assert (retracted.status_code, retracted.json()["retracted"]) == (200, True)
