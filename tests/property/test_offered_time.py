"""Offered minutes equal a count of all minutes, on days on which clocks change and in any zone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from scheduling_svc.domain.next_available import successive_starts
from scheduling_svc.domain.offered_time import OfferedTimeQuery, offered_minutes
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from shared.contracts.availability import TimeUnit
from shared.contracts.grains import Bitmap, grain_of, instant_of
from shared.contracts.http import DoctorRules, ServiceTypeRules
from tests.property.clinics import CLOCK_CHANGES, clinics, services

FORMATS = {TimeUnit.DAY: "%Y-%m-%d", TimeUnit.WEEKDAY: "%u", TimeUnit.HOUR: "%H"}


@given(
    clinic=clinics(),
    zone=st.sampled_from([zone for zone, _ in CLOCK_CHANGES]),
    unit=st.sampled_from(TimeUnit),
    hours=st.tuples(st.integers(-60, 30), st.integers(1, 80)),
    absences=st.lists(st.tuples(st.integers(-700, 700), st.integers(1, 200)), max_size=3),
)
def test_offered_minutes_equal_a_count(
    clinic: tuple[DoctorRules, ServiceTypeRules, date],
    zone: str,
    unit: TimeUnit,
    hours: tuple[int, int],
    absences: list[tuple[int, int]],
) -> None:
    rules, _, day = clinic
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    begins = midnight + timedelta(hours=hours[0])
    query = OfferedTimeQuery(begins, begins + timedelta(hours=hours[1]), zone, unit)
    away = [(grain_of(midnight) + start, grain_of(midnight) + start + length) for start, length in absences]
    doctor = DoctorTerms.from_rules(rules)
    expected = Counter[str]()
    for grain in doctor.hours.expand(query.frame, 1)[0] if doctor.active else ():
        if not any(start <= grain < stop for start, stop in away):
            local = instant_of(grain).astimezone(ZoneInfo(zone))
            expected["total" if unit is TimeUnit.TOTAL else f"{local:{FORMATS[unit]}}"] += 5
    assert offered_minutes(doctor, away, query) == expected


@given(rules=services(), grains=st.sets(st.integers(0, 400)), window=st.integers(1, 400), count=st.integers(1, 3))
def test_successive_starts_are_the_earliest_that_leave_each_other_their_time(
    rules: ServiceTypeRules, grains: set[int], window: int, count: int
) -> None:
    service = ServiceTerms.from_rules(rules)
    found: list[int] = []
    for frame in (range(window), range(window, 401)):
        found = successive_starts(Bitmap.of_grains(grains, frame), service, found, count)
    expected: list[int] = []
    for start in sorted(grains):
        if all(service.doctor_span(start).start >= service.doctor_span(other).stop for other in expected):
            expected.append(start)
    assert found == expected[:count]
