"""Random clinics around the days on which clocks change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st

from shared.contracts.http import DateOverride, DayWindow, DoctorRules, ServiceTypeRules, WeeklyWindow
from tests.property.oracle import BookedVisit, GroupVisit, HeldTime

DOCTOR, SERVICE, PATIENT = UUID(int=1), UUID(int=2), UUID(int=3)
BookedKind = TypeVar("BookedKind", bound=BookedVisit)
CLOCK_CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Asia/Kathmandu", date(2026, 5, 1)),
    ("Pacific/Apia", date(2026, 6, 1)),
    ("Pacific/Apia", date(2011, 12, 30)),  # a day that Samoa never had
    ("America/St_Johns", date(2026, 3, 8)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("UTC", date(2026, 1, 1)),
]

five_minute_clocks = st.integers(0, 287).map(lambda grain: f"{grain // 12:02}:{grain % 12 * 5:02}")
half_hour_clocks = st.integers(0, 47).map(lambda half: f"{half // 2:02}:{half % 2 * 30:02}")
clocks = st.one_of(half_hour_clocks, five_minute_clocks)
ends = st.one_of(clocks, st.just("24:00"))
minutes = st.integers(0, 6).map(lambda count: count * 5)


def wall_windows() -> st.SearchStrategy[list[DayWindow]]:
    return st.lists(st.builds(DayWindow, start=clocks, end=ends), max_size=3)


@st.composite
def clinics(draw: st.DrawFn) -> tuple[DoctorRules, ServiceTypeRules, date]:
    """Draw a doctor, a service, and the day around which something changes."""
    zone, day = draw(st.sampled_from(CLOCK_CHANGES))
    near_dates = st.none() | st.integers(-2, 2).map(lambda days: day + timedelta(days=days))
    weekly = st.builds(WeeklyWindow, weekday=st.integers(1, 7), start=clocks, end=ends, valid_from=near_dates, valid_to=near_dates)
    overrides = [
        DateOverride(id=UUID(int=100 + offset), date=day + timedelta(days=offset), windows=draw(wall_windows()))
        for offset in draw(st.sets(st.integers(-2, 2), max_size=3))
    ]
    doctor = DoctorRules(
        id=DOCTOR,
        full_name="A. Doctor",
        time_zone=zone,
        services=draw(st.sampled_from([[SERVICE]] * 9 + [[]])),
        active=draw(st.sampled_from([True] * 9 + [False])),
        accepting_patients=draw(st.sampled_from([True] * 9 + [False])),
        weekly=draw(st.lists(weekly, max_size=8)),
        overrides=overrides,
        version=1,
    )
    return doctor, draw(services()), day


@st.composite
def services(draw: st.DrawFn) -> ServiceTypeRules:
    return ServiceTypeRules(
        id=SERVICE,
        name="Check-up",
        duration_minutes=draw(st.integers(1, 18)) * 5,
        buffer_before_minutes=draw(minutes),
        buffer_after_minutes=draw(minutes),
        slot_step_minutes=draw(st.sampled_from([5, 10, 15, 20, 25, 30, 45, 60, 90])),
        min_notice_minutes=draw(st.sampled_from([0, 0, 5, 60, 1440])),
        horizon_days=draw(st.integers(1, 60)),
        capacity=draw(st.sampled_from([1, 1, 2, 3])),
        daily_cap=draw(st.none() | st.integers(1, 3)),
        weekly_cap=draw(st.none() | st.integers(1, 5)),
        active=draw(st.sampled_from([True] * 9 + [False])),
        version=1,
    )


@st.composite
def bookings(draw: st.DrawFn, day: date) -> list[BookedVisit]:
    return [draw(visits(day, BookedVisit, counts=draw(st.booleans()))) for _ in range(draw(st.integers(0, 6)))]


@st.composite
def visits(draw: st.DrawFn, /, day: date, kind: type[BookedKind], **more: Any) -> BookedKind:
    """Draw visits around a day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=5 * draw(st.integers(-288, 576)))
    length, before, after = draw(st.integers(1, 18)) * 5, draw(minutes), draw(minutes)
    times = {"before": timedelta(minutes=before), "after": timedelta(minutes=after)}
    return kind(starts_at=start, ends_at=start + timedelta(minutes=length), **times | more)


@st.composite
def held(draw: st.DrawFn, day: date, now: datetime) -> list[HeldTime]:
    """Draw holds of the viewer and of others, active and expired ones."""
    until = st.sampled_from([now - timedelta(seconds=1), now, now + timedelta(seconds=1), now + timedelta(minutes=5)])
    return [
        draw(visits(day, HeldTime, counts=draw(st.booleans()), own=draw(st.booleans()), until=draw(until)))
        for _ in range(draw(st.integers(0, 3)))
    ]


@st.composite
def groups(draw: st.DrawFn, day: date, service: ServiceTypeRules) -> list[GroupVisit]:
    """Draw group sessions, at most one per start, some of them made under other terms of the service."""
    sessions: dict[datetime, GroupVisit] = {}
    for _ in range(draw(st.integers(0, 3)) if service.capacity > 1 else 0):
        booked, held_count = draw(st.sampled_from([(1, 0), (0, 1), (1, 1), (service.capacity, 0), (0, service.capacity)]))
        other_terms = draw(visits(day, GroupVisit, booked=booked, held=held_count, counts=True, usual=False))
        usual = replace(
            other_terms,
            ends_at=other_terms.starts_at + timedelta(minutes=service.duration_minutes),
            before=timedelta(minutes=service.buffer_before_minutes),
            after=timedelta(minutes=service.buffer_after_minutes),
            usual=True,
        )
        is_usual = replace(other_terms, usual=True) == usual or draw(st.booleans())
        sessions[other_terms.starts_at] = usual if is_usual else other_terms
    return list(sessions.values())


@st.composite
def absences(draw: st.DrawFn, day: date) -> list[tuple[datetime, datetime]]:
    return [(visit.starts_at, visit.ends_at) for visit in draw(bookings(day))[:2]]
