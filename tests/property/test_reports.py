"""Every figure of the reports equals a count over all visits of a random history, in whatever order and how often its events arrive."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from admin_svc.domain.report_figures import ReportGroup
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.ports.reports import OfferedMinutes
from admin_svc.repository.report_visits import SqlReportStore
from admin_svc.repository.tables import REPORT_VISITS, VISIT_REMINDERS
from admin_svc.usecases.report_model import ReportModel
from admin_svc.usecases.report_names import ReportNames
from admin_svc.usecases.reports import ReportRequest, Reports
from shared.contracts.availability import OfferedTime, ServiceAvailability
from shared.contracts.clinic import ClinicProfile
from shared.contracts.events import AppointmentEvent, Event, ReminderSent
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.contracts.names import FoundNames, NamedService
from shared.contracts.refusals import Unavailable
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database

ZONES_AND_DAYS = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Asia/Kathmandu", date(2026, 5, 1)),
    ("America/St_Johns", date(2026, 3, 8)),
    ("UTC", date(2026, 1, 1)),
]
STATUSES = ["requested", "booked", "checked_in", "in_progress", "completed", "missed", "cancelled", "declined", "expired"]
CAME, TAKES_TIME = {"checked_in", "in_progress", "completed"}, {"booked", "checked_in", "in_progress", "completed", "missed"}
GROUP_SERVICE, CLIENT = UUID(int=52), UUID(int=90)
SPECIALTIES = {UUID(int=51): "Cardiology"}


@dataclass(frozen=True)
class ToldVisit:
    """What the newest event says of an appointment."""

    id: UUID
    status: str
    starts_at: datetime
    minutes: int
    doctor: UUID
    service: UUID
    patient: UUID
    booked_at: datetime | None
    booked_by: Actor | None
    is_confirmed: bool

    def event(self, version: int) -> AppointmentEvent:
        fields: dict[str, Any] = {"id": new_id(), "occurred_at": self.starts_at, "appointment_id": self.id, "version": version}
        fields |= {"sequence": 0, "status": self.status, "service_id": self.service, "doctor_id": self.doctor, "patient_id": self.patient}
        fields |= {"starts_at": self.starts_at, "ends_at": self.starts_at + timedelta(minutes=self.minutes), "time_zone": "Asia/Tokyo"}
        fields |= {"actor": Actor(id=self.patient, role=Role.PATIENT), "booked_at": self.booked_at, "booked_by": self.booked_by}
        fields |= {"capacity": 3 if self.service == GROUP_SERVICE else 1, "confirmed_at": self.starts_at if self.is_confirmed else None}
        return AppointmentEvent.for_topic("appointment.booked.v1", **fields)


@dataclass(frozen=True)
class ClinicPast:
    """Appointments, each with its newest version last, reminders that were sent, and the events of both in the order of their arrival."""

    zone: str
    now: datetime
    begins: datetime
    ends: datetime
    visits: Sequence[ToldVisit]
    reminded: frozenset[tuple[UUID, datetime]]
    events: Sequence[Event]

    @property
    def in_period(self) -> list[ToldVisit]:
        return [visit for visit in self.visits if self.begins <= visit.starts_at < self.ends]

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.zone))


@st.composite
def histories(draw: st.DrawFn) -> ClinicPast:
    zone, day = draw(st.sampled_from(ZONES_AND_DAYS))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    instants = st.integers(-40, 100).map(lambda half_hours: midnight + timedelta(minutes=30 * half_hours))
    booked_by = st.none() | st.builds(Actor, id=st.just(CLIENT), role=st.sampled_from([Role.PATIENT, Role.RECEPTION, Role.CLIENT]))

    def told(number: int) -> st.SearchStrategy[ToldVisit]:
        return st.builds(
            lambda lead, starts_at, **rest: ToldVisit(
                UUID(int=1000 + number), starts_at=starts_at, booked_at=None if lead is None else starts_at - lead, **rest
            ),
            lead=st.none() | st.integers(-1, 1000).map(lambda hours: timedelta(hours=hours)),
            starts_at=instants,
            status=st.sampled_from(STATUSES),
            minutes=st.integers(1, 40).map(lambda grains: 5 * grains),
            doctor=st.integers(1, 3).map(lambda doctor: UUID(int=doctor)),
            service=st.sampled_from([UUID(int=51), GROUP_SERVICE]),
            patient=st.integers(1, 3).map(lambda patient: UUID(int=700 + patient)),
            booked_by=booked_by,
            is_confirmed=st.booleans(),
        )

    lives = [draw(st.lists(told(number), min_size=1, max_size=3)) for number in range(draw(st.integers(0, 8)))]
    reminded = {(life[-1].id, draw(st.sampled_from(life)).starts_at) for life in lives if draw(st.booleans())}
    events: list[Event] = [visit.event(version) for life in lives for version, visit in enumerate(life, start=2)]
    for appointment_id, starts_at in reminded:
        fields = {"appointment_id": appointment_id, "message_id": new_id(), "starts_at": starts_at}
        events.append(ReminderSent(id=new_id(), occurred_at=starts_at, **fields))
    events = draw(st.permutations(events)) + draw(st.lists(st.sampled_from(events), max_size=4) if events else st.just([]))
    begins, hours = draw(instants), draw(st.integers(1, 72))
    visits = [life[-1] for life in lives]
    return ClinicPast(zone, draw(instants), begins, begins + timedelta(hours=hours), visits, frozenset(reminded), events)


@dataclass
class OfferedHours:
    """Implements AvailabilityClient with fixed minutes, or does not answer."""

    minutes: dict[str, int] = field(default_factory=lambda: {"total": 600})
    is_down: bool = False

    async def list_offered(self, _period: ReportPeriod, _group: ReportGroup) -> OfferedMinutes:
        if self.is_down:
            raise Unavailable
        return OfferedMinutes([OfferedTime(doctor_id=UUID(int=1), service_ids=[UUID(int=51), GROUP_SERVICE], minutes=self.minutes)])

    async def list_next_available(self, _count: int) -> list[ServiceAvailability]:
        raise Unavailable


class NamesOfServices:
    """Implements NameClient: one service has a specialty, the other none, and doctors are not known."""

    async def find(self, _doctor_ids: Sequence[UUID], service_ids: Sequence[UUID]) -> FoundNames:
        services = [NamedService(id=service_id, name=f"{service_id}", specialty=SPECIALTIES.get(service_id)) for service_id in service_ids]
        return FoundNames(doctors=[], services=services)


@dataclass
class ReportSystem:
    """A database that lives through all examples, and is empty before each."""

    runner: asyncio.Runner
    store: SqlReportStore
    clock: MovableClock

    def receive(self, history: ClinicPast) -> None:
        """Empty the read model, and handle the events of a history."""

        async def handle() -> None:
            async with self.store.database.write() as connection:
                await connection.execute(delete(REPORT_VISITS))
                await connection.execute(delete(VISIT_REMINDERS))
            model = ReportModel(self.store)
            for event in history.events:
                if isinstance(event, ReminderSent):
                    await model.record_reminder(event)
                else:
                    assert isinstance(event, AppointmentEvent)
                    await model.record_visit(event)

        self.runner.run(handle())
        self.clock.set(history.now)

    def reports(self, history: ClinicPast, availability: OfferedHours | None = None) -> Reports:
        return Reports(
            self.store,
            availability or OfferedHours(),
            ReportNames(NamesOfServices(), self.clock),
            self.clock,
            lambda: ClinicProfile(time_zone=history.zone),
        )

    def rows(self, history: ClinicPast, name: str, group: ReportGroup) -> dict[str | None, Any]:
        """Return the rows of a report by key, and the total under None."""
        request = ReportRequest(history.begins, history.ends, group)
        report = self.runner.run(getattr(self.reports(history), name)(request))
        return {row.key: row for row in report.rows} | {None: report.total}


@contextmanager
def open_system(url: str) -> Iterator[ReportSystem]:
    migrate("admin_svc", url)
    with asyncio.Runner() as runner:
        database, clock = Database(url), MovableClock(datetime(2026, 3, 1, tzinfo=UTC), running=False)
        runner.run(database.__aenter__())
        yield ReportSystem(runner, SqlReportStore(database, clock), clock)
        runner.run(database.__aexit__(None, None, None))


def check_histories(url: str, check: Callable[[ReportSystem, ClinicPast], None]) -> None:
    """Check something for many histories in one database."""
    with open_system(url) as system:

        @settings(max_examples=40)
        @given(histories())
        def check_history(history: ClinicPast) -> None:
            system.receive(history)
            check(system, history)

        check_history()


def keys_of_visits(history: ClinicPast, group: ReportGroup) -> dict[UUID, str]:
    """Return the key of each visit of the period."""
    return {visit.id: key_of_visit(history, group, visit) for visit in history.in_period}


def key_of_visit(history: ClinicPast, group: ReportGroup, visit: ToldVisit) -> str:
    local, of_ids = history.local(visit.starts_at), {ReportGroup.DOCTOR: visit.doctor, ReportGroup.SERVICE: visit.service}
    if group in of_ids:
        return str(of_ids[group])
    match group:
        case ReportGroup.SPECIALTY:
            return SPECIALTIES.get(visit.service, "unknown")
        case ReportGroup.DAY:
            return f"{local:%Y-%m-%d}"
        case ReportGroup.WEEKDAY:
            return f"{local:%u}"
        case ReportGroup.CHANNEL:
            return "unknown" if visit.booked_by is None else {"client": f"client:{CLIENT}"}.get(visit.booked_by.role, visit.booked_by.role)
        case ReportGroup.PATIENT:
            return "new" if is_first(history, visit) else "returning"
        case ReportGroup.REMINDER:
            return "sent" if (visit.id, visit.starts_at) in history.reminded else "not_sent"
        case ReportGroup.CONFIRMED:
            return "confirmed" if visit.is_confirmed else "not_confirmed"
        case ReportGroup.LEAD_TIME:
            days = lead_days(visit)
            buckets = [(0, 0, "0"), (1, 2, "1-2"), (3, 7, "3-7"), (8, 14, "8-14"), (15, 30, "15-30")]
            return "unknown" if days is None else next((name for least, most, name in buckets if least <= days <= most), "31+")
    raise AssertionError(group)


def lead_days(visit: ToldVisit) -> int | None:
    if visit.booked_at is None:
        return None
    return max(0, math.floor((visit.starts_at - visit.booked_at).total_seconds() / 86400))


def is_first(history: ClinicPast, visit: ToldVisit) -> bool:
    earlier = [other for other in history.visits if other.patient == visit.patient and other.status in CAME | {"booked"}]
    return not any((other.starts_at, other.id.hex) < (visit.starts_at, visit.id.hex) for other in earlier)


def test_no_shows_equal_a_count_of_all_visits(sql_url: str) -> None:
    def check(system: ReportSystem, history: ClinicPast) -> None:
        for group in (ReportGroup.SERVICE, ReportGroup.DOCTOR, ReportGroup.LEAD_TIME, ReportGroup.REMINDER, ReportGroup.CONFIRMED):
            keys = keys_of_visits(history, group)
            rows, counted = system.rows(history, "no_shows", group), [v for v in history.in_period if v.status in CAME | {"missed"}]
            assert rows.keys() - {None} == {keys[visit.id] for visit in counted}
            for key, row in rows.items():
                mine = [visit for visit in counted if key in (None, keys[visit.id])]
                missed = sum(visit.status == "missed" for visit in mine)
                assert (row.missed, row.attended) == (missed, len(mine) - missed)
                assert row.rate == (round(missed / len(mine), 4) if mine else None)

    check_histories(sql_url, check)


def test_bookings_equal_a_count_of_all_visits(sql_url: str) -> None:
    def check(system: ReportSystem, history: ClinicPast) -> None:
        for group in (ReportGroup.DAY, ReportGroup.CHANNEL, ReportGroup.PATIENT, ReportGroup.SERVICE, ReportGroup.DOCTOR):
            keys, rows = keys_of_visits(history, group), system.rows(history, "bookings", group)
            assert rows.keys() - {None} == set(keys.values())
            for key, row in rows.items():
                mine = [visit for visit in history.in_period if key in (None, keys[visit.id])]
                kept = [visit for visit in mine if visit.status not in {"cancelled", "declined", "expired"}]
                new = sum(is_first(history, visit) for visit in kept)
                assert (row.bookings, row.called_off) == (len(mine), len(mine) - len(kept))
                assert (row.new, row.returning) == (new, len(kept) - new)

    check_histories(sql_url, check)


def test_booked_minutes_equal_a_count_of_all_minutes(sql_url: str) -> None:
    def check(system: ReportSystem, history: ClinicPast) -> None:
        taken: dict[object, ToldVisit] = {}
        for visit in history.in_period:
            session = (visit.doctor, visit.starts_at) if visit.service == GROUP_SERVICE else visit.id
            if visit.status in TAKES_TIME and (session not in taken or taken[session].minutes < visit.minutes):
                taken[session] = visit
        for group in (ReportGroup.DOCTOR, ReportGroup.SERVICE, ReportGroup.DAY, ReportGroup.WEEKDAY, ReportGroup.HOUR):
            minutes: dict[str | None, int] = {None: 0}
            for visit in taken.values():
                for minute in range(visit.minutes):
                    at = history.local(visit.starts_at + timedelta(minutes=minute))
                    key = f"{at:%H}" if group is ReportGroup.HOUR else key_of_visit(history, group, visit)
                    minutes[key] = minutes.get(key, 0) + 1
                    minutes[None] += 1
            rows = system.rows(history, "utilisation", group)
            assert {key: row.booked_minutes for key, row in rows.items() if row.booked_minutes or key is None} == minutes

    check_histories(sql_url, check)


def test_lead_times_equal_those_of_all_visits(sql_url: str) -> None:
    def check(system: ReportSystem, history: ClinicPast) -> None:
        for group in (ReportGroup.SERVICE, ReportGroup.DOCTOR, ReportGroup.SPECIALTY, ReportGroup.DAY, ReportGroup.WEEKDAY):
            keys, rows = keys_of_visits(history, group), system.rows(history, "lead_times", group)
            held = {keys[visit.id] for visit in history.in_period if visit.status in TAKES_TIME and lead_days(visit) is not None}
            assert rows.keys() - {None} == held
            for key, row in rows.items():
                mine = [visit for visit in history.in_period if key in (None, keys[visit.id]) and visit.status in TAKES_TIME]
                days = sorted(lead for visit in mine if (lead := lead_days(visit)) is not None)
                assert row.visits == len(days)
                assert row.median_days == (statistics.median(days) if days else None)
                assert row.p90_days == (days[math.ceil(len(days) * 0.9) - 1] if days else None)

    check_histories(sql_url, check)


def test_the_overview_equals_a_count_of_the_visits_of_the_clinics_day(sql_url: str) -> None:
    def check(system: ReportSystem, history: ClinicPast) -> None:
        overview = system.runner.run(system.reports(history).overview())
        today = history.local(history.now).date()
        of_today = [visit.status for visit in history.visits if history.local(visit.starts_at).date() == today]
        counts = overview.counts
        assert (counts.requested, counts.booked, counts.missed) == tuple(map(of_today.count, ("requested", "booked", "missed")))
        assert counts.arrived == sum(status in CAME for status in of_today)
        expected = tuple(map(of_today.count, ("checked_in", "in_progress", "completed", "cancelled")))
        assert (counts.waiting, counts.in_progress, counts.done, counts.cancelled) == expected
        assert (overview.next_free, overview.complete) == (None, False)

    check_histories(sql_url, check)
