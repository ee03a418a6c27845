"""The search of staff for patients: what is found, in which order, and at which cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from patient_svc.domain.duplicates import duplicate_lookups
from patient_svc.domain.patients import Patient
from patient_svc.domain.search import MAX_SEARCH_WORDS, PatientQuery
from patient_svc.repository import SqlPatientStore
from patient_svc.repository.search import lookup_queries
from patient_svc.repository.tables import PATIENTS, SEARCH_KEYS
from patient_svc.usecases.search import PatientSearch
from shared.contracts.events import AppointmentEvent, AuditRecorded
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON, RunningService, not_found_response
from tests.service.patient.running_patient import (
    DOCTOR,
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
INDEX_ACCESS = {"range", "ref", "eq_ref", "const"}
CARD = {"system": "urn:oid:1.2.276.0.76.4.8", "value": "A-123 456"}


async def search(service: RunningService, text: str, headers: dict[str, str] = ADMIN, **params: Any) -> dict[str, Any]:
    response = await service.http.get("/patients", params={"q": text} | params, headers=headers)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def find(service: RunningService, text: str) -> list[str]:
    """Return the names of the patients who are found."""
    return [item["full_name"] for item in (await search(service, text))["items"]]


async def add(service: RunningService, full_name: str, **fields: Any) -> str:
    created = await service.http.post("/patients", json={"full_name": full_name} | fields, headers=RECEPTION)
    assert created.status_code == 201, created.text
    return str(created.json()["id"])


async def record_visit(service: RunningService, patient_id: str, days_ago: int) -> None:
    people = {"appointment_id": new_id(), "service_id": UUID(int=8), "doctor_id": DOCTOR, "patient_id": patient_id}
    at = NOON - timedelta(days=days_ago)
    times = {"occurred_at": NOON, "starts_at": at, "ends_at": at, "time_zone": "UTC"}
    state = {"version": 1, "sequence": 0, "status": "booked", "actor": Actor(id=SAM, role=Role.PATIENT)}
    await service.publish_event(AppointmentEvent.for_topic("appointment.booked.v1", id=new_id(), **people, **times, **state))


@asynccontextmanager
async def run_with_accounts(folder: Path, sql_url: str, answer: httpx.Response) -> AsyncIterator[RunningService]:
    """Run patient-service with an auth-service that answers each search for accounts with `answer`."""

    def upstream(request: httpx.Request) -> httpx.Response:
        return answer if request.url.path == "/internal/account-search" else not_found_response()

    async with run_patient_service(folder, database_url=sql_url, upstream=upstream) as service:
        yield service


async def test_a_patient_is_found_by_name_phone_day_of_birth_and_identifier(patients: RunningService) -> None:
    await add(patients, "Zoë Brontë-Smith", phone="+49 (30) 1234-567", born_on="1984-06-02", identifiers=[CARD])
    for text in ("bronte", "smith zoe", "BRONTË-SM", "4567", "030 1234567", "1984-06-02", "2.6.1984", "a123456", "smith 1984-06-02 4567"):
        assert await find(patients, text) == ["Zoë Brontë-Smith"], text
    for text in ("bront smith", "zoe kim", "1234", "1984-02-06", "a12345", "smith 1984-06-03"):
        assert await find(patients, text) == [], text


async def test_trailing_digits_find_their_patient_among_many_with_the_same_end(patients: RunningService) -> None:
    wanted = await add(patients, "Mia Roe", phone="+49 30 1230042")
    rows = [{"kind": "phone", "key": f"24{number:04}", "patient_id": UUID(int=10**30 + number)} for number in range(1000, 1400)]
    async with store_of(patients).database.write() as connection:
        await connection.execute(sa.insert(SEARCH_KEYS), rows)
    found = await search(patients, "0042")
    assert ([item["id"] for item in found["items"]], found["complete"]) == ([wanted], True)
    assert await find(patients, "+49 (0)30 123 0042") == ["Mia Roe"]
    assert await find(patients, "0000") == []


async def test_a_name_of_many_words_is_found_by_each_of_them_and_by_all(patients: RunningService) -> None:
    names = ["Maria do Carmo dos Santos Oliveira Silva", " ".join(f"Ab{chr(97 + number)}" for number in range(26)) + " Silva"]
    for name in names:
        await add(patients, name)
    assert sorted(await find(patients, "silva")) == sorted(names)
    assert await find(patients, "maria silva") == names[:1]
    assert await find(patients, "abz sil") == names[1:]
    for name in names:
        assert await find(patients, name) == [name]


async def test_what_changes_in_a_profile_is_found_at_once_and_what_was_before_no_longer(patients: RunningService) -> None:
    await update_profile(patients, 1, full_name="Samantha Roe", phone="+49 30 999888", born_on="1990-05-01")
    for text in ("samantha", "999888", "1990-05-01"):
        assert await find(patients, text) == ["Samantha Roe"]
    await update_profile(patients, 2, phone=None, born_on="1990-05-02")
    for text in ("lee", "123456", "999888", "1990-05-01"):
        assert await find(patients, text) == []


async def test_the_likely_patient_comes_first(patients: RunningService) -> None:
    await update_profile(patients, 1, full_name="Sammy Lee")
    old, recent, never = [await add(patients, "Sam Lee") for _ in range(3)]
    card = await add(patients, "Al Bo", identifiers=[CARD | {"value": "sam lee"}])
    await record_visit(patients, old, days_ago=300)
    await record_visit(patients, old, days_ago=200)
    await record_visit(patients, recent, days_ago=-3)
    ids = [item["id"] for item in (await search(patients, "lee sam"))["items"]]
    assert ids == [recent, old, never, str(SAM)]
    assert [item["id"] for item in (await search(patients, "sam lee"))["items"]] == [card, recent, old, never]


async def test_pages_have_no_repeats_and_no_gaps_while_patients_are_added(patients: RunningService) -> None:
    names = {f"Mia Roe{number}" for number in range(7)}
    for name in names:
        await add(patients, name)
    shown, path = list[str](), "/patients?q=mia&limit=3"
    while path:
        page = await patients.http.get(path, headers=ADMIN)
        shown += [item["full_name"] for item in page.json()["items"]]
        assert page.json()["complete"] is True
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
        await add(patients, "Mia Late")
    assert names <= set(shown)
    assert len([name for name in shown if name in names]) == len(names)


async def test_each_patient_on_a_page_is_told_that_they_were_seen(patients: RunningService) -> None:
    seen = [await add(patients, f"Mia Roe{number}") for number in range(3)]
    assert len((await search(patients, "mia", RECEPTION, limit=2))["items"]) == 2
    lines = [event for event in await list_events(patients, AuditRecorded) if event.action == "profile.read"]
    accesses = [(str(line.subject_id), line.relation, line.outcome) for line in lines]
    assert sorted(accesses) == sorted((patient_id, "reception", "done") for patient_id in seen[:2])


async def test_reception_finds_by_day_of_birth_and_does_not_see_it(patients: RunningService) -> None:
    await update_profile(patients, 1, born_on="1990-05-01", sex="female")
    (shown,) = (await search(patients, "lee 1990-05-01", RECEPTION))["items"]
    assert (shown["id"], shown["born_on"], shown["sex"], shown["phone"]) == (str(SAM), None, None, "+49 30 123456")
    (complete,) = (await search(patients, "lee 1990-05-01"))["items"]
    assert complete == (await patients.http.get(f"/patients/{SAM}", headers=ADMIN)).json()


async def test_an_address_finds_the_patient_whose_account_or_profile_has_it(tmp_path: Path, sql_url: str) -> None:
    answer = httpx.Response(200, json={"account_ids": [str(SAM), str(UUID(int=77))]})
    async with run_with_accounts(tmp_path, sql_url, answer) as patients:
        await add(patients, "Jo Roe", email="sam@example.com")
        await create_profile(patients, OTHER, full_name="Kim Lee")
        found = await search(patients, "SAM@example.com lee")
        assert sorted(item["full_name"] for item in found["items"]) == ["Jo Roe", "Sam Lee"]
        assert found["complete"] is True


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.Response(200, json={"items": 7})], ids=["no answer", "unreadable"])
async def test_without_auth_service_the_rest_is_found_and_the_answer_says_so(tmp_path: Path, sql_url: str, answer: httpx.Response) -> None:
    async with run_with_accounts(tmp_path, sql_url, answer) as patients:
        await add(patients, "Jo Roe", email="jo@example.com")
        for text, names in (("lee x@example.com", ["Sam Lee"]), ("jo@example.com", ["Jo Roe"]), ("x@example.com", [])):
            found = await search(patients, text)
            assert ([item["full_name"] for item in found["items"]], found["complete"]) == (names, False)
        assert (await search(patients, "lee"))["complete"] is True


async def test_patients_of_earlier_releases_are_indexed_by_a_job(patients: RunningService) -> None:
    for number in range(3):
        await add(patients, f"Mia Roe{number}")
    async with store_of(patients).database.write() as connection:
        await connection.execute(sa.delete(SEARCH_KEYS))
        await connection.execute(sa.update(PATIENTS).values(search_version=0))
    assert await search(patients, "mia") == {"items": [], "next": None, "complete": False}
    patients.clock.advance(timedelta(minutes=1))
    await patients.run_until_idle()
    found = await search(patients, "mia")
    assert (len(found["items"]), found["complete"]) == (3, True)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("q=", "string_too_short"),
        ("q=" + "a" * 201, "string_too_long"),
        ("q=a%0Ab", "control_character"),
        ("q=--", "bad_search"),
        ("q=" + "+".join(f"w{number}" for number in range(33)), "bad_search"),
        ("q=a@b.de+b@b.de+c@b.de+d@b.de+e@b.de+f@b.de+g@b.de", "bad_search"),
        ("q=mia&after=x", "bad_cursor"),
        ("q=mia&after=WyIxIl0", "bad_cursor"),
        ("q=mia&limit=101", "less_than_equal"),
        ("q=mia&name=x", "unknown_parameter"),
        ("", "missing"),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(patients: RunningService, query: str, code: str) -> None:
    refused = await patients.http.get(f"/patients?{query}", headers=ADMIN)
    assert refused.status_code == 422, refused.text
    assert code in {refused.json()["code"], *(error["code"] for error in refused.json().get("errors", []))}


async def test_only_staff_search_patients(patients: RunningService) -> None:
    for headers, status in ((SAMS_TOKEN, 403), (bearer(Role.DOCTOR), 403), (RECEPTION, 200), (ADMIN, 200), ({}, 401)):
        assert (await patients.http.get("/patients?q=lee", headers=headers)).status_code == status


async def test_more_matches_than_a_search_reads_are_said(patients: RunningService) -> None:
    rows = [{"kind": "name", "key": f"mia{number:04}", "patient_id": UUID(int=number)} for number in range(300)]
    async with store_of(patients).database.write() as connection:
        await connection.execute(sa.insert(SEARCH_KEYS), rows)
    assert (await search(patients, "mia"))["complete"] is False
    assert (await search(patients, "mia000"))["complete"] is True


MANY_WORDS = " ".join(f"word{number}" for number in range(MAX_SEARCH_WORDS))


@pytest.mark.parametrize(
    "text",
    [
        "mia",
        "mia le",
        "müller 1984-06-02",
        "02/06/1984",
        "4567",
        "0042",
        "+49 (0)30 1234567",
        "anna maria le 4567",
        "a123 jo@example.com",
        "urn:x:2|a123",
        MANY_WORDS,
    ],
    ids=["word", "two words", "word and day", "day", "digits", "zeros", "phone", "words and digits", "address", "system", "many words"],
)
async def test_every_lookup_is_a_range_of_an_index(patients: RunningService, text: str) -> None:
    query, database = PatientQuery.parse(text), store_of(patients).database
    jo = Patient(UUID(int=1), "Jürgen O'Brien", None, None, "+49 (0)30 1234567", "jo@example.com", date(1984, 6, 2))
    lookups = [*query.identifying_lookups, *query.exact_lookups, *query.partial_lookups, *duplicate_lookups(jo)]
    for lookup in (lookup for terms in lookups for lookup in lookup_queries(terms, 300)):
        statement = str(lookup.compile(dialect=dialect_of(database.url), compile_kwargs={"literal_binds": True}))
        keyword = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        async with database.read() as connection:
            plan = (await connection.exec_driver_sql(f"{keyword} {statement}")).mappings().all()
        for row in plan:
            assert row["detail"].startswith(("SEARCH", "CORRELATED")) if database.is_sqlite else row["type"] in INDEX_ACCESS, plan
            assert "filesort" not in str(row.get("Extra")), plan


def dialect_of(url: str) -> sa.Dialect:
    return sa.make_url(url).get_dialect()()


def store_of(service: RunningService) -> SqlPatientStore:
    store: SqlPatientStore = service.app.state.use_cases[PatientSearch].store
    return store
