"""The agenda of an account and the subscription to it, over HTTP."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from icalendar import Calendar
from sqlalchemy import select

from scheduling_svc.repository.tables import FEEDS, INFRASTRUCTURE
from scheduling_svc.usecases.feeds import Feeds
from shared.contracts.events import AccountChanged, AppointmentBooked, AppointmentRequested, AppointmentRescheduled
from shared.contracts.identity import Role
from shared.kit.logs import JsonFormatter, log
from shared.kit.sql import Database
from tests.running import NOON, RunningService
from tests.service.scheduling.clinic import DoctorService, a_clinic, recorded_queries, release, reserve
from tests.service.scheduling.test_begun import begun_event
from tests.tokens import bearer
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, PATIENT, a_doctor, a_service

OTHER, SHARED = UUID(int=0xB), UUID(int=0x6)
TOKYO = a_doctor(id=COLLEAGUE, time_zone="Asia/Tokyo", services=[CHECKUP, SHARED])
GROUP = a_service(id=SHARED, name="Group", capacity=3)
WORDS = {"Appointment", "Leave", "Clinic closed"}


@pytest.fixture
async def clinic(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    rules = DoctorService([a_doctor(services=[CHECKUP, SHARED]), TOKYO], [a_service(), GROUP])
    async with a_clinic(tmp_path, rules, database_url=sql_url, public_url="https://clinic.example") as clinic:
        yield clinic


async def agenda(
    clinic: RunningService, account_id: UUID = PATIENT, role: Role = Role.PATIENT, query: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    response = await clinic.http.get("/calendar", params=query, headers=bearer(role, account_id))
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


async def take_leave(clinic: RunningService, begins: datetime, ends: datetime) -> None:
    body = {"starts_at": begins.isoformat(), "ends_at": ends.isoformat(), "reason": "A secret operation."}
    response = await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=body, headers=bearer(Role.DOCTOR, DOCTOR))
    assert response.status_code == 201, response.text


async def close(clinic: RunningService, begins: datetime, ends: datetime) -> None:
    body = {"from": begins.isoformat(), "to": ends.isoformat(), "reason": "Flooded cellar."}
    response = await clinic.http.post("/admin/closures", json=body, headers=bearer(Role.ADMIN))
    assert response.status_code == 201, response.text
    await clinic.run_until_idle()


def hours(count: float) -> datetime:
    return NINE + timedelta(hours=count)


async def subscribe(clinic: RunningService, account_id: UUID = PATIENT, role: Role = Role.PATIENT, **headers: str) -> str:
    response = await clinic.http.post("/calendar/feed", headers=bearer(role, account_id) | headers)
    assert response.status_code == 201, response.text
    return str(response.json()["url"])


async def read(clinic: RunningService, url: str) -> httpx.Response:
    return await clinic.http.get(url.removeprefix("https://clinic.example"))


async def test_only_patient_and_doctor_see_an_appointment(clinic: RunningService) -> None:
    assert (await reserve(clinic, 1)).status_code == 200
    entry = {
        "kind": "appointment",
        "appointment_id": str(UUID(int=1)),
        "starts_at": "2026-03-09T08:00:00Z",
        "ends_at": "2026-03-09T08:30:00Z",
        "local_start": "2026-03-09T09:00",
        "time_zone": "Europe/Berlin",
    }
    assert await agenda(clinic) == await agenda(clinic, DOCTOR, Role.DOCTOR) == [entry]
    for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.ADMIN):
        assert await agenda(clinic, uuid4(), role) == []


async def test_released_time_is_not_on_the_agenda(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    await release(clinic, 1, revision=1)
    await release(clinic, 2, revision=1)
    assert await agenda(clinic) == await agenda(clinic, DOCTOR, Role.DOCTOR) == []


async def test_leaves_and_closures_are_the_doctors_and_have_no_appointment(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    await take_leave(clinic, hours(3), hours(5))
    await close(clinic, hours(24), hours(48))
    mine = await agenda(clinic, DOCTOR, Role.DOCTOR)
    assert [(entry["kind"], entry["starts_at"], entry["ends_at"]) for entry in mine] == [
        ("appointment", "2026-03-09T08:00:00Z", "2026-03-09T08:30:00Z"),
        ("leave", "2026-03-09T11:00:00Z", "2026-03-09T13:00:00Z"),
        ("closure", "2026-03-10T08:00:00Z", "2026-03-11T08:00:00Z"),
    ]
    assert [entry["appointment_id"] for entry in mine[1:]] == [None, None]
    abroad = await agenda(clinic, COLLEAGUE, Role.DOCTOR)
    assert [(entry["kind"], entry["local_start"], entry["time_zone"]) for entry in abroad] == [
        ("closure", "2026-03-10T17:00", "Asia/Tokyo")
    ]
    assert len(await agenda(clinic)) == 1


async def test_a_hold_is_on_no_agenda_and_the_seats_of_a_group_are_on_it_without_their_session(clinic: RunningService) -> None:
    hold = {"service_id": str(CHECKUP), "doctor_id": str(DOCTOR), "starts_at": hours(2).isoformat()}
    assert (await clinic.http.post("/holds", json=hold, headers=bearer(Role.PATIENT, PATIENT))).status_code == 201
    for number, patient in ((1, PATIENT), (2, OTHER)):
        assert (await reserve(clinic, number, service_id=SHARED, patient_id=patient)).status_code == 200
    assert [entry["appointment_id"] for entry in await agenda(clinic)] == [str(UUID(int=1))]
    assert [entry["appointment_id"] for entry in await agenda(clinic, DOCTOR, Role.DOCTOR)] == [str(UUID(int=1)), str(UUID(int=2))]


async def test_a_doctor_who_is_their_own_patient_sees_the_appointment_once(clinic: RunningService) -> None:
    await reserve(clinic, 1, patient_id=DOCTOR)
    await reserve(clinic, 2, patient_id=DOCTOR, doctor_id=COLLEAGUE, starts_at=NINE.replace(hour=0))
    entries = await agenda(clinic, DOCTOR, Role.DOCTOR)
    assert [(entry["appointment_id"], entry["time_zone"]) for entry in entries] == [
        (str(UUID(int=2)), "Asia/Tokyo"),
        (str(UUID(int=1)), "Europe/Berlin"),
    ]


@pytest.mark.parametrize(
    ("begins", "ends", "seen"),
    [
        ("08:00", "08:30", True),
        ("07:00", "08:00", False),
        ("07:00", "08:01", True),
        ("08:29", "09:00", True),
        ("08:30", "09:00", False),
        ("08:10", "08:11", True),
    ],
)
async def test_entries_that_overlap_the_range_are_listed(clinic: RunningService, begins: str, ends: str, seen: bool) -> None:
    await reserve(clinic, 1)
    query = {"from": f"2026-03-09T{begins}:00Z", "to": f"2026-03-09T{ends}:00Z"}
    assert bool(await agenda(clinic, query=query)) is bool(await agenda(clinic, DOCTOR, Role.DOCTOR, query)) is seen


async def test_the_default_range_is_two_weeks_from_now(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    await reserve(clinic, 2, starts_at=NINE + timedelta(days=7, hours=5))
    assert len(await agenda(clinic)) == 1
    assert len(await agenda(clinic, query={"from": "2026-03-09T08:29:00Z"})) == 2
    assert await agenda(clinic, query={"from": "2199-12-31T00:00:00Z"}) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=2026-03-09T00:00:00Z&to=2026-03-09T00:00:00Z", "range_reversed"),
        ("to=2026-03-01T00:00:00Z", "range_reversed"),
        ("from=2026-03-01T00:00:00Z&to=2026-05-02T00:00:01Z", "range_too_long"),
        ("from=2026-03-09T00:00:00", "offset_required"),
        ("from=9999-03-09T00:00:00Z", "out_of_range"),
        ("after=nonsense", "bad_cursor"),
        ("after=WyJhIiwgImIiXQ", "bad_cursor"),
        ("after=WyIyMDI2LTAzLTA5VDA4OjAwOjAwKzAwOjAwIiwgIngiXQ", "bad_cursor"),
        ("after=WyIyMDI2LTAzLTA5VDA4OjAwOjAwKzAwOjAwIl0", "bad_cursor"),
        ("days=3", "unknown_parameter"),
    ],
)
async def test_invalid_parameters_are_refused(tmp_path: Path, query: str, code: str) -> None:
    async with a_clinic(tmp_path, DoctorService()) as clinic:
        response = await clinic.http.get(f"/calendar?{query}", headers=bearer(Role.PATIENT, PATIENT))
        assert (response.status_code, response.json()["code"]) == (422, code)


async def test_sixty_two_days_are_not_too_long_and_a_token_is_required(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService()) as clinic:
        assert await agenda(clinic, query={"from": "2026-03-01T00:00:00Z", "to": "2026-05-02T00:00:00Z"}) == []
        for method, path in (("GET", "/calendar"), ("POST", "/calendar/feed"), ("DELETE", "/calendar/feed")):
            assert (await clinic.http.request(method, path)).status_code == 401


async def test_pages_have_no_gaps_and_no_repeats(clinic: RunningService) -> None:
    for number in range(1, 4):
        await reserve(clinic, number, service_id=SHARED, patient_id=UUID(int=100 + number))
    await reserve(clinic, 4, starts_at=hours(1))
    await take_leave(clinic, hours(2), hours(3))
    entries, path = [], "/calendar?limit=2"
    while path:
        page = await clinic.http.get(path, headers=bearer(Role.DOCTOR, DOCTOR))
        entries += [entry["appointment_id"] for entry in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert entries == [*(str(UUID(int=number)) for number in range(1, 5)), None]


async def test_the_number_of_queries_is_constant(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    first_count = await queries_of(clinic)
    for number in range(2, 6):
        await reserve(clinic, number, starts_at=hours(number), doctor_id=DOCTOR)
    await reserve(clinic, 9, starts_at=NINE.replace(hour=0), doctor_id=COLLEAGUE)
    assert await queries_of(clinic) == first_count == 2


async def queries_of(clinic: RunningService) -> int:
    with recorded_queries() as requested:
        await agenda(clinic)
    return len(requested)


async def test_a_feed_has_times_and_kinds_and_nothing_else(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    await take_leave(clinic, hours(3), hours(5))
    await close(clinic, hours(24), hours(48))
    response = await read(clinic, await subscribe(clinic, DOCTOR, Role.DOCTOR))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    assert response.headers["cache-control"] == "private, max-age=300"
    calendar = Calendar.from_ical(response.content)
    expected = {name: str(value) for name, value in calendar.items() if name not in ("REFRESH-INTERVAL", "X-PUBLISHED-TTL")}
    assert expected == {"VERSION": "2.0", "PRODID": "-//Careslot//EN", "X-WR-CALNAME": "Careslot"}
    assert calendar["REFRESH-INTERVAL"].params == {"VALUE": "DURATION"}
    assert calendar["REFRESH-INTERVAL"].to_ical() == b"PT15M"
    assert calendar["X-PUBLISHED-TTL"] == "PT15M"
    assert not calendar.errors
    events = calendar.walk("VEVENT")
    assert [(str(item["SUMMARY"]), item["DTSTART"].dt, item["DTEND"].dt) for item in events] == [
        ("Appointment", NINE, hours(0.5)),
        ("Leave", hours(3), hours(5)),
        ("Clinic closed", hours(24), hours(48)),
    ]
    assert events[0]["UID"] == f"{UUID(int=1)}@careslot"
    for item in events:
        assert (item["DTSTAMP"].dt, item["TRANSP"], item["STATUS"], not item.errors) == (NOON, "OPAQUE", "CONFIRMED", True)
        assert set(item) == {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "TRANSP", "STATUS"}
        assert item["SUMMARY"] in WORDS
        assert item["UID"].removesuffix("@careslot").count("-") == 4
    assert all(len(line) <= 75 for line in response.content.split(b"\r\n"))
    assert b"\n" not in response.content.replace(b"\r\n", b"")


async def test_a_feed_covers_the_last_month_and_the_next_year(clinic: RunningService) -> None:
    await reserve(clinic, 1)
    url = await subscribe(clinic)
    for days, events in ((0, 1), (36, 1), (38, 0)):
        clinic.clock.set(NOON + timedelta(days=days))
        assert len(Calendar.from_ical((await read(clinic, url)).content).walk("VEVENT")) == events
    assert await agenda(clinic, query={"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"})


async def test_an_empty_agenda_is_a_valid_calendar(clinic: RunningService) -> None:
    calendar = Calendar.from_ical((await read(clinic, await subscribe(clinic))).content)
    assert (calendar.name, calendar.walk("VEVENT")) == ("VCALENDAR", [])


async def test_only_the_hash_of_a_link_is_stored(clinic: RunningService) -> None:
    url = await subscribe(clinic)
    assert url.startswith("https://clinic.example/calendar/feed/")
    token = url.removeprefix("https://clinic.example/calendar/feed/").removesuffix(".ics")
    assert len(token) == 43
    database: Database = clinic.app.state.use_cases[Feeds].store.database
    async with database.read() as connection:
        (row,) = (await connection.execute(select(FEEDS))).all()
    assert (row.account_id, row.token_hash) == (PATIENT, hashlib.sha256(token.encode()).hexdigest())


async def test_a_new_link_ends_the_old_one_and_each_account_has_its_own(clinic: RunningService) -> None:
    others, first = await subscribe(clinic, OTHER), await subscribe(clinic)
    second = await subscribe(clinic)
    assert len({others, first, second}) == 3
    assert [(await read(clinic, url)).status_code for url in (others, first, second)] == [200, 404, 200]


async def test_a_revoked_link_ends_and_revoking_is_harmless(clinic: RunningService) -> None:
    others, url = await subscribe(clinic, OTHER), await subscribe(clinic)
    for _ in range(2):
        assert (await clinic.http.delete("/calendar/feed", headers=bearer(Role.PATIENT, PATIENT))).status_code == 204
    assert [(await read(clinic, item)).status_code for item in (url, others)] == [404, 200]


async def test_a_repeated_request_does_not_get_the_link_of_the_first(clinic: RunningService) -> None:
    first = await clinic.http.post("/calendar/feed", headers=bearer(Role.PATIENT, PATIENT) | {"Idempotency-Key": "a"})
    again = await clinic.http.post("/calendar/feed", headers=bearer(Role.PATIENT, PATIENT) | {"Idempotency-Key": "a"})
    assert (first.status_code, first.headers["cache-control"], again.status_code) == (201, "no-store", 201)
    assert "idempotent-replayed" not in again.headers
    assert first.json()["url"] != again.json()["url"]
    database: Database = clinic.app.state.use_cases[Feeds].store.database
    async with database.read() as connection:
        body = INFRASTRUCTURE.idempotency_keys.c.body
        assert (await connection.execute(select(body).where(body.is_not(None)))).all() == []


@pytest.mark.parametrize("token", ["A" * 43, "A" * 42, "A" * 44, "A" * 3000, "é" * 43, "A" * 42 + "=", "%00" * 43, "."])
async def test_an_unknown_link_is_not_found(tmp_path: Path, token: str) -> None:
    async with a_clinic(tmp_path, DoctorService()) as clinic:
        response = await clinic.http.get(f"/calendar/feed/{token}.ics")
        assert (response.status_code, response.json()["code"]) == (404, "no_such_feed")


async def test_a_disabled_account_has_no_link(clinic: RunningService) -> None:
    url, others = await subscribe(clinic), await subscribe(clinic, OTHER)
    await clinic.publish_event(account(status="active"))
    assert (await read(clinic, url)).status_code == 200
    disabled = account(status="disabled")
    await clinic.publish_event(disabled)
    assert [(await read(clinic, item)).status_code for item in (url, others)] == [404, 200]
    await clinic.publish_event(account(status="active"))
    assert (await read(clinic, url)).status_code == 404
    fresh = await subscribe(clinic)
    await clinic.app.state.use_cases[Feeds].revoke_if_disabled(disabled)
    assert (await read(clinic, fresh)).status_code == 200


def account(**changes: Any) -> AccountChanged:
    fields: dict[str, Any] = {"id": uuid4(), "occurred_at": NOON, "account_id": PATIENT, "role": Role.PATIENT, "version": 2}
    return AccountChanged(**fields | changes)


async def test_no_log_line_contains_a_token(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService(), public_url="https://clinic.example") as clinic:
        url = await subscribe(clinic)
        with record_log() as lines:
            assert (await read(clinic, url)).status_code == 200
            assert (await clinic.http.get(f"/calendar/feed/{'A' * 43}.ics")).status_code == 404
        expected = [json.loads(line) for line in lines.getvalue().splitlines()]
        assert [line["route"] for line in expected] == ["/calendar/feed/{token}.ics"] * 2
        assert url[-40:-4] not in lines.getvalue()
        assert "AAAA" not in lines.getvalue()


@contextmanager
def record_log() -> Iterator[StringIO]:
    lines = StringIO()
    handler, level = logging.StreamHandler(lines), log.level
    handler.setFormatter(JsonFormatter())
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


async def test_the_openapi_document_describes_the_feed(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, DoctorService()) as clinic:
        paths = (await clinic.http.get("/openapi.json")).json()["paths"]
    assert set(paths["/calendar/feed"]) == {"post", "delete"}
    feed = paths["/calendar/feed/{token}.ics"]["get"]
    assert set(feed["responses"]["200"]["content"]) == {"text/calendar"}
    assert feed["security"] == []


async def test_a_calendar_program_may_add_parameters_and_credentials_of_its_own(clinic: RunningService) -> None:
    url = await subscribe(clinic)
    for headers in ({}, {"Authorization": "Basic bWU6c2VjcmV0"}, {"Authorization": "Bearer expired"}):
        response = await clinic.http.get(f"{url}?nocache=17&utm_source=x", headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/calendar; charset=utf-8")


async def test_a_calendar_program_fetches_only_what_has_changed(clinic: RunningService) -> None:
    url = await subscribe(clinic)
    first = await clinic.http.get(url)
    head = await clinic.http.head(url)
    names = ("etag", "last-modified", "content-length", "content-type")
    assert (head.status_code, head.content) == (200, b"")
    assert [head.headers[name] for name in names] == [first.headers[name] for name in names]
    conditions = [
        {"If-None-Match": first.headers["etag"]},
        {"If-None-Match": f'"x", W/{first.headers["etag"]}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": first.headers["last-modified"]},
    ]
    for condition in conditions:
        response = await clinic.http.get(url, headers=condition)
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", first.headers["etag"])
    await reserve(clinic, 1)
    for condition in [*conditions[:2], conditions[3], {"If-Modified-Since": "yesterday"}]:
        response = await clinic.http.get(url, headers=condition)
        assert (response.status_code, response.headers["etag"] == first.headers["etag"]) == (200, False)


async def test_a_visit_is_tentative_until_it_is_approved_and_a_late_event_changes_nothing(clinic: RunningService) -> None:
    url, statuses = await subscribe(clinic), []
    await reserve(clinic, 1)
    for topic, version, status in (
        (AppointmentRequested, 2, "requested"),
        (AppointmentBooked, 3, "booked"),
        (AppointmentRescheduled, 4, "requested"),
        (AppointmentBooked, 3, "booked"),
    ):
        fields = {"id": UUID(int=version), "version": version, "status": status, "patient_id": PATIENT}
        await clinic.publish_event(begun_event(topic, 1).model_copy(update=fields))
        (shown,) = Calendar.from_ical((await clinic.http.get(url)).content).walk("VEVENT")
        statuses.append(shown["STATUS"])
    assert statuses == ["TENTATIVE", "CONFIRMED", "TENTATIVE", "TENTATIVE"]
