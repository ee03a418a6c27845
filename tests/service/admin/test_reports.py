"""The reports over HTTP: who reads them, their bodies, pages and CSV, what the calendar adds, rebuilding and retention."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select, text, update

from admin_svc.domain.report_figures import VisitField
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.repository.report_visits import SqlReportStore, counting_query
from admin_svc.repository.tables import ACCESS_MEASURES, REPORT_VISITS, VISIT_REMINDERS
from admin_svc.usecases.report_model import ReportRetention
from shared.contracts.booking_history import VisitRecord
from shared.contracts.events import AppointmentEvent, ReminderSent
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.rebuilds import RebuildRequests
from shared.kit.sql import Database
from tests.running import NOON, RunningService, not_found_response, run_service
from tests.tokens import bearer

ADMIN, DESK = bearer(Role.ADMIN), bearer(Role.RECEPTION)
DOCTOR, COLLEAGUE, CHECKUP, SAM, KIM = (UUID(int=number) for number in range(1, 6))
NINE = datetime(2026, 3, 9, 8, tzinfo=UTC)  # nine o'clock of a Monday in Berlin
DAY = timedelta(days=1)
MARCH: dict[str, Any] = {"from": "2026-03-01T00:00:00+01:00", "to": "2026-04-01T00:00:00+02:00"}
REPORTS = ("utilisation", "no-shows", "bookings", "lead-times")


@dataclass
class CalendarAndAppointments:
    """Answers as scheduling-, appointment- and doctor-service. `asked` are the paths with the query that were requested."""

    visits: list[VisitRecord] = field(default_factory=list)
    next_free: list[dict[str, Any]] = field(default_factory=list)
    offered: dict[str, dict[str, int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    specialties: dict[str, str] = field(default_factory=dict)
    is_down: bool = False
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, dict(request.url.params)
        self.asked.append((path, query))
        if self.is_down:
            raise httpx.ConnectError("down")
        if path == "/internal/visits":
            return httpx.Response(200, json={"items": [json.loads(visit.model_dump_json()) for visit in self.visits], "next": None})
        if path == "/internal/appointment-snapshots":
            known = {str(visit.appointment_id) for visit in self.visits}
            found = [{"appointment_id": listed, "service": None, "doctor": None} for listed in json.loads(request.content)["ids"]]
            return httpx.Response(200, json={"items": [item for item in found if item["appointment_id"] in known]})
        if path == "/internal/names":
            wanted = json.loads(request.content)
            doctors = [{"id": item, "full_name": self.names[item]} for item in wanted["doctor_ids"] if item in self.names]
            services = [
                {"id": item, "name": self.names[item], "specialty": self.specialties.get(item)}
                for item in wanted["service_ids"]
                if item in self.names
            ]
            return httpx.Response(200, json={"doctors": doctors, "services": services})
        if path == "/internal/available-appointments":
            return httpx.Response(200, json={"items": self.next_free, "next": None})
        if path == "/internal/offered-time":
            items = [{"doctor_id": doctor, "service_ids": [str(CHECKUP)], "minutes": minutes} for doctor, minutes in self.offered.items()]
            offset = int(query.get("after", 0))  # pages of one doctor
            following = str(offset + 1) if offset + 1 < len(items) else None
            return httpx.Response(200, json={"items": items[offset : offset + 1], "next": following})
        return not_found_response()

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


@pytest.fixture
def upstream() -> CalendarAndAppointments:
    return CalendarAndAppointments()


@pytest.fixture
async def admin(tmp_path: Path, sql_url: str, upstream: CalendarAndAppointments) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB, in a clinic in Berlin."""
    async with run_service("admin_svc", tmp_path, upstream, database_url=sql_url, time_zone="Europe/Berlin") as service:
        yield service


def a_visit(number: int, **changes: Any) -> VisitRecord:
    """Return a visit of half an hour, booked by Sam two days before it."""
    starts_at = changes.pop("starts_at", NINE)
    facts: dict[str, Any] = {"appointment_id": UUID(int=1000 + number), "version": 2, "status": "booked", "service_id": CHECKUP}
    facts |= {"doctor_id": DOCTOR, "patient_id": SAM, "starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=30)}
    facts |= {"booked_at": starts_at - 2 * DAY, "booked_by": Actor(id=SAM, role=Role.PATIENT), "time_zone": "Europe/Berlin"}
    return VisitRecord(**facts | changes)


async def publish(admin: RunningService, *visits: VisitRecord) -> None:
    """Publish the event of each visit."""
    for visit in visits:
        facts = visit.model_dump() | {"id": new_id(), "occurred_at": NOON, "sequence": 0, "actor": Actor(id=SAM, role=Role.PATIENT)}
        await admin.publish_event(AppointmentEvent.for_topic("appointment.booked.v1", **facts))


async def read(admin: RunningService, name: str, by: dict[str, str] = ADMIN, **query: Any) -> Any:
    response = await admin.http.get(f"/admin/reports/{name}", params=query, headers=by)
    assert response.status_code == 200, response.text
    return response.json()


async def test_only_admins_read_reports_and_reception_the_overview(admin: RunningService) -> None:
    await read(admin, "overview", DESK)
    for name in REPORTS:
        for caller in (DESK, bearer(Role.DOCTOR), bearer(Role.PATIENT)):
            assert (await admin.http.get(f"/admin/reports/{name}", headers=caller)).status_code == 403
        assert (await admin.http.get(f"/admin/reports/{name}")).status_code == 401
    for caller in (bearer(Role.DOCTOR), bearer(Role.PATIENT)):
        assert (await admin.http.get("/admin/reports/overview", headers=caller)).status_code == 403


async def test_the_overview_counts_the_clinics_day_and_names_the_next_free_time(
    admin: RunningService, upstream: CalendarAndAppointments
) -> None:
    later, sooner = "2026-03-04T09:00:00Z", "2026-03-03T09:00:00Z"
    for specialty, starts in (("Cardiology", [later]), ("Cardiology", [sooner]), ("Dermatology", []), (None, [sooner])):
        upstream.next_free.append({"service_id": str(new_id()), "specialty": specialty, "starts": starts, "doctors": []})
    midnight = datetime(2026, 3, 1, 23, tzinfo=UTC)  # in Berlin
    statuses = ["booked", "checked_in", "completed", "completed", "missed", "cancelled"]
    await publish(admin, *(a_visit(number, starts_at=midnight, status=status) for number, status in enumerate(statuses)))
    await publish(admin, a_visit(20, starts_at=midnight - timedelta(minutes=5)), a_visit(21, starts_at=midnight + DAY))
    overview = await read(admin, "overview", DESK)
    counts = {"requested": 0, "booked": 1, "arrived": 3, "waiting": 1, "in_progress": 0, "done": 2, "missed": 1, "cancelled": 1}
    free = [{"specialty": "Cardiology", "starts_at": sooner}, {"specialty": "Dermatology", "starts_at": None}]
    expected = {"date": "2026-03-02", "time_zone": "Europe/Berlin", "generated_at": "2026-03-02T12:00:00Z"}
    assert overview == expected | counts | {"next_free": free, "complete": True}
    upstream.is_down = True
    assert await read(admin, "overview") == expected | counts | {"next_free": None, "complete": False}


async def test_utilisation_compares_booked_with_offered_minutes(admin: RunningService, upstream: CalendarAndAppointments) -> None:
    upstream.offered = {str(DOCTOR): {"total": 40}, str(COLLEAGUE): {"total": 60}}
    upstream.names = {str(DOCTOR): "Ada Weiss", str(CHECKUP): "Check-up"}
    await publish(admin, a_visit(1), a_visit(2, starts_at=NINE + timedelta(minutes=10)), a_visit(3, status="cancelled"))
    report = await read(admin, "utilisation", **MARCH)
    rows = [
        {"key": str(DOCTOR), "name": "Ada Weiss", "booked_minutes": 60, "offered_minutes": 40, "utilisation": 1.5},
        {"key": str(COLLEAGUE), "name": None, "booked_minutes": 0, "offered_minutes": 60, "utilisation": 0.0},
    ]
    total = {"booked_minutes": 60, "offered_minutes": 100, "utilisation": 0.6}
    period = {"from": "2026-02-28T23:00:00Z", "to": "2026-03-31T22:00:00Z", "time_zone": "Europe/Berlin"}
    assert report == period | {"group_by": "doctor", "items": rows, "total": total, "next": None, "complete": True}
    asked = [query for path, query in upstream.asked if path == "/internal/offered-time"]
    wanted = {"from": period["from"], "to": period["to"], "time_zone": "Europe/Berlin", "unit": "total", "limit": "50"}
    assert asked == [wanted, wanted | {"after": "1"}]
    (by_service,) = (await read(admin, "utilisation", group_by="service", **MARCH))["items"]
    assert by_service == {"key": str(CHECKUP), "name": "Check-up", **total}
    upstream.is_down = True
    without = await read(admin, "utilisation", **MARCH)
    assert (without["complete"], without["total"]) == (False, {"booked_minutes": 60, "offered_minutes": None, "utilisation": None})


async def test_a_group_session_counts_once(admin: RunningService) -> None:
    await publish(admin, *(a_visit(number, capacity=3, patient_id=UUID(int=70 + number)) for number in range(3)))
    assert (await read(admin, "utilisation", **MARCH))["total"]["booked_minutes"] == 30
    assert (await read(admin, "bookings", **MARCH))["total"]["bookings"] == 3


async def test_a_visit_is_reminded_only_if_the_reminder_was_for_its_present_time(admin: RunningService) -> None:
    for number in (1, 2):
        fields = {"appointment_id": a_visit(number).appointment_id, "message_id": new_id(), "starts_at": NINE}
        await admin.publish_event(ReminderSent(id=new_id(), occurred_at=NOON, **fields))
    await publish(admin, a_visit(1, status="completed"), a_visit(2, status="missed", starts_at=NINE + DAY))
    rows = (await read(admin, "no-shows", group_by="reminder", **MARCH))["items"]
    assert rows == [
        {"key": "not_sent", "name": None, "missed": 1, "attended": 0, "rate": 1.0},
        {"key": "sent", "name": None, "missed": 0, "attended": 1, "rate": 0.0},
    ]


async def test_a_merged_patient_is_a_returning_one(admin: RunningService) -> None:
    """The visits of a merged patient are announced again with the id of the target."""
    await publish(admin, a_visit(1, status="completed", patient_id=SAM), a_visit(2, starts_at=NINE + DAY, patient_id=KIM))
    assert (await read(admin, "bookings", **MARCH))["total"] == {"bookings": 2, "called_off": 0, "new": 2, "returning": 0}
    await publish(admin, a_visit(2, starts_at=NINE + DAY, patient_id=SAM, version=3))
    assert (await read(admin, "bookings", **MARCH))["total"] == {"bookings": 2, "called_off": 0, "new": 1, "returning": 1}


async def test_pages_lead_through_all_rows_and_csv_has_the_same(admin: RunningService) -> None:
    await publish(admin, *(a_visit(number, starts_at=NINE + number * DAY) for number in range(3)))
    path: str | None = "/admin/reports/bookings?limit=2&" + str(httpx.QueryParams(MARCH))
    keys = []
    while path:
        response = await admin.http.get(path, headers=ADMIN)
        page = response.json()
        keys += [row["key"] for row in page["items"]]
        assert page["total"]["bookings"] == 3, "the total is that of all pages"
        path = response.links["next"]["url"] if page["next"] else None
    assert keys == ["2026-03-09", "2026-03-10", "2026-03-11"]
    response = await admin.http.get("/admin/reports/bookings", params=MARCH, headers=ADMIN | {"Accept": "text/csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert (response.headers["vary"], response.headers["cache-control"]) == ("Accept", "no-store")
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    first = {"key": "2026-03-09", "name": "", "bookings": "1", "called_off": "0", "new": "1", "returning": "0"}
    assert (rows[0], [row["key"] for row in rows]) == (first, keys)
    overview = await admin.http.get("/admin/reports/overview", headers=ADMIN | {"Accept": "text/csv"})
    assert [row["date"] for row in csv.DictReader(io.StringIO(overview.text, newline=""))] == ["2026-03-02"]


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_is_also_given_as_csv(admin: RunningService, name: str) -> None:
    await publish(admin, a_visit(1, status="completed"))
    rows = (await read(admin, name, **MARCH))["items"]
    response = await admin.http.get(f"/admin/reports/{name}", params=MARCH, headers=ADMIN | {"Accept": "text/csv"})
    (row,) = csv.DictReader(io.StringIO(response.text, newline=""))
    assert row == {column: "" if value is None else str(value) for column, value in rows[0].items()}
    assert list(row)[:2] == ["key", "name"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-03-01T00:00:00"}, "offset_required"),
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "range_reversed"),
        ({"from": "2025-03-01T00:00:00Z", "to": "2026-03-03T00:00:00Z"}, "range_too_long"),
        ({"group_by": "colour"}, "literal_error"),
        ({"limit": "1001"}, "less_than_equal"),
        ({"after": "x"}, "bad_cursor"),
    ],
    ids=["offset", "reversed", "long", "group", "limit", "cursor"],
)
async def test_a_bad_request_is_refused(admin: RunningService, query: dict[str, str], code: str) -> None:
    response = await admin.http.get("/admin/reports/bookings", params=query, headers=ADMIN)
    assert response.status_code == 422
    assert code in {response.json()["code"], *(error["code"] for error in response.json().get("errors", []))}


async def test_the_third_next_available_appointment_is_noted_once_a_day_of_the_clinic(
    admin: RunningService, upstream: CalendarAndAppointments
) -> None:
    starts = ["2026-03-03T09:00:00Z", "2026-03-03T10:00:00Z", "2026-03-06T09:00:00Z"]
    doctors = [{"doctor_id": str(DOCTOR), "starts": starts}, {"doctor_id": str(COLLEAGUE), "starts": starts[:2]}]
    upstream.next_free = [{"service_id": str(CHECKUP), "specialty": "=Cardiology", "starts": starts, "doctors": doctors}]
    await admin.advance(timedelta(minutes=10))
    asked = upstream.count("/internal/available-appointments")
    await admin.advance(timedelta(hours=10))
    assert upstream.count("/internal/available-appointments") == asked, "it was noted today"
    upstream.next_free[0]["starts"] = [*starts[:2], "2026-03-04T09:00:00Z"]
    upstream.next_free[0]["doctors"] = []
    await admin.advance(timedelta(hours=1))  # the day after in Berlin
    by_service = (await read(admin, "lead-times", **MARCH))["items"]
    measured = {"name": None, "visits": 0, "median_days": None, "p90_days": None}
    assert by_service == [{"key": str(CHECKUP), **measured, "third_next_available_days": 2.5}], "4 days on Monday, 1 on Tuesday"
    by_doctor = (await read(admin, "lead-times", group_by="doctor", **MARCH))["items"]
    assert by_doctor == [{"key": str(DOCTOR), **measured, "third_next_available_days": 4.0}]
    response = await admin.http.get(
        "/admin/reports/lead-times", params=MARCH | {"group_by": "specialty"}, headers=ADMIN | {"Accept": "text/csv"}
    )
    assert response.text.splitlines()[1] == "'=Cardiology,,0,,,2.5", "no spreadsheet runs it"


async def test_rows_have_the_names_that_doctor_service_knows_and_older_ones_while_it_does_not_answer(
    admin: RunningService, upstream: CalendarAndAppointments
) -> None:
    upstream.names = {str(DOCTOR): "=Ada Weiss", str(CHECKUP): "Check-up"}
    await publish(admin, a_visit(1), a_visit(2, doctor_id=COLLEAGUE))

    async def names(group: str) -> dict[str, str | None]:
        return {row["key"]: row["name"] for row in (await read(admin, "bookings", group_by=group, **MARCH))["items"]}

    assert await names("doctor") == {str(DOCTOR): "=Ada Weiss", str(COLLEAGUE): None}
    assert await names("service") == {str(CHECKUP): "Check-up"}
    asked = upstream.count("/internal/names")
    assert await names("doctor") == {str(DOCTOR): "=Ada Weiss", str(COLLEAGUE): None}
    assert upstream.count("/internal/names") == asked, "they are remembered"
    table = await admin.http.get("/admin/reports/bookings", params=MARCH | {"group_by": "doctor"}, headers=ADMIN | {"Accept": "text/csv"})
    assert table.text.splitlines()[1:] == [f"{DOCTOR},'=Ada Weiss,1,0,1,0", f"{COLLEAGUE},,1,0,0,1"]
    upstream.names[str(COLLEAGUE)] = "Ben Ito"
    admin.clock.advance(timedelta(minutes=2))
    assert await names("doctor") == {str(DOCTOR): "=Ada Weiss", str(COLLEAGUE): "Ben Ito"}
    upstream.is_down = True
    admin.clock.advance(timedelta(minutes=2))
    assert await names("doctor") == {str(DOCTOR): "=Ada Weiss", str(COLLEAGUE): "Ben Ito"}


async def test_lead_times_by_specialty_have_the_visits_and_the_third_next_appointment(
    admin: RunningService, upstream: CalendarAndAppointments
) -> None:
    other, third = UUID(int=31), ["2026-03-03T09:00:00Z", "2026-03-03T10:00:00Z", "2026-03-06T09:00:00Z"]
    upstream.names, upstream.specialties = {str(CHECKUP): "Check-up", str(other): "Flu jab"}, {str(CHECKUP): "Cardiology"}
    upstream.next_free = [{"service_id": str(CHECKUP), "specialty": "Cardiology", "starts": third, "doctors": []}]
    await admin.advance(timedelta(minutes=10))
    await publish(admin, a_visit(1), a_visit(2, booked_at=NINE - 5 * DAY), a_visit(3, service_id=other, booked_at=NINE))
    report = await read(admin, "lead-times", group_by="specialty", **MARCH)
    cardiology = {"visits": 2, "median_days": 3.5, "p90_days": 5, "third_next_available_days": 4.0}
    unknown = {"visits": 1, "median_days": 0.0, "p90_days": 0, "third_next_available_days": None}
    assert report["items"] == [{"key": "Cardiology", "name": None, **cardiology}, {"key": "unknown", "name": None, **unknown}]
    assert (report["total"]["visits"], report["complete"]) == (3, True)


async def test_without_doctor_service_lead_times_by_specialty_are_not_complete(
    admin: RunningService, upstream: CalendarAndAppointments
) -> None:
    await publish(admin, a_visit(1))
    upstream.is_down = True
    report = await read(admin, "lead-times", group_by="specialty", **MARCH)
    assert ([row["key"] for row in report["items"]], report["complete"]) == (["unknown"], False)
    assert (await read(admin, "lead-times", group_by="service", **MARCH))["complete"] is True


async def test_a_rebuild_makes_wrong_and_missing_rows_right(admin: RunningService, upstream: CalendarAndAppointments, sql_url: str) -> None:
    await publish(admin, a_visit(1), a_visit(2))
    async with Database(sql_url) as database:
        store = SqlReportStore(database, admin.clock)
        async with database.write() as connection:
            await connection.execute(update(REPORT_VISITS).values(status="missed", version=9, minutes=1))
        upstream.visits = [a_visit(1, status="completed", version=3), a_visit(3, status="completed")]
        admin.clock.advance(timedelta(seconds=1))
        requested = await RebuildRequests(store, admin.clock).request(new_id())
        await admin.run_until_idle()
        rebuild = await store.find_rebuild(requested.id)
        assert rebuild is not None
        assert (rebuild.is_finished, rebuild.read_count, rebuild.removed_count) == (True, 2, 1)
    assert (await read(admin, "no-shows", **MARCH))["total"] == {"missed": 0, "attended": 2, "rate": 0.0}
    assert (await read(admin, "utilisation", **MARCH))["total"]["booked_minutes"] == 60


async def test_old_visits_reminders_and_measures_are_deleted_and_newer_ones_stay(tmp_path: Path, sql_url: str) -> None:
    upstream = CalendarAndAppointments()
    upstream.next_free = [{"service_id": str(CHECKUP), "specialty": None, "starts": [], "doctors": []}]
    async with run_service("admin_svc", tmp_path, upstream, database_url=sql_url) as admin, Database(sql_url) as database:
        await publish(admin, a_visit(1), a_visit(2, starts_at=NINE + DAY))
        for number in (1, 2):
            fields = {"appointment_id": a_visit(number).appointment_id, "message_id": new_id(), "starts_at": NINE + (number - 1) * DAY}
            await admin.publish_event(ReminderSent(id=new_id(), occurred_at=NOON, **fields))
        clock = MovableClock(NINE.replace(year=2036) + timedelta(hours=1), running=False)
        retention = ReportRetention(SqlReportStore(database, clock), 10, clock)
        assert await retention.delete_old() == 2, "a visit and the measure of the first day"
        assert await retention.delete_old() == 0
        tables = (REPORT_VISITS, VISIT_REMINDERS, ACCESS_MEASURES)
        async with database.read() as connection:
            counts = [await connection.scalar(select(func.count()).select_from(table)) for table in tables]
        assert counts == [1, 1, 0]


@pytest.mark.parametrize(
    "fields",
    [
        (VisitField.DOCTOR, VisitField.MINUTES, VisitField.STATUS),
        (VisitField.START, VisitField.STATUS, VisitField.FIRST),
        (VisitField.REMINDED, VisitField.STATUS),
        (VisitField.SERVICE, VisitField.LEAD, VisitField.STATUS),
        (VisitField.CHANNEL, VisitField.CONFIRMED, VisitField.STATUS, VisitField.FIRST),
    ],
    ids=["minutes", "first", "reminded", "lead", "channel"],
)
async def test_a_report_reads_a_range_of_an_index_and_no_rows(admin: RunningService, sql_url: str, fields: tuple[VisitField, ...]) -> None:
    await publish(admin, *(a_visit(number, starts_at=NINE + number * DAY) for number in range(30)))
    query = counting_query(ReportPeriod(NINE, NINE + DAY, "UTC"), fields, is_group=False)
    async with Database(sql_url) as database, database.read() as connection:
        keyword = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        dialect = connection.dialect
        statement = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        plan = [tuple(row) for row in await connection.execute(text(f"{keyword} {statement}".replace(":", "\\:")))]
    (main,) = (row for row in plan if "report_visits" in row or "SEARCH report_visits USING" in str(row))
    assert "COVERING INDEX report_visits_by_start" in str(main) or {"range", "report_visits_by_start"} < set(main), plan
    assert "COVERING" in str(main) or "Using index" in str(main), plan
