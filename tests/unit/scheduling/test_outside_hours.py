"""Which booked visits lie outside the hours: the same rule decides as for new visits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from scheduling_svc.domain.availability import OUTSIDE_HOURS, reasons_against
from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.outside_hours import claims_outside_hours
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.rule_changes import MAX_LISTED, PAGE_SIZE, RuleChanges
from shared.contracts.appointments import OverrideCode
from shared.contracts.grains import grain_of
from shared.contracts.http import DateOverride, DayWindow, DoctorRules, WeeklyWindow
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, a_doctor, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DST_SUNDAY = datetime(2026, 3, 29, tzinfo=UTC)


def a_claim(number: int, start: datetime, minutes: int = 30, *, buffer_minutes: int = 0, session: int = 0, **changes: Any) -> Claim:
    visit = range(grain_of(start), grain_of(start) + minutes // 5)
    span = range(visit.start - buffer_minutes // 5, visit.stop + buffer_minutes // 5)
    slot = BookedSlot(CHECKUP, DOCTOR, UUID(int=0xAA00 + number), visit, span, UUID(int=session) if session else None)
    return Claim(UUID(int=number), 1, slot, **changes)


def outside(rules: DoctorRules, *claims: Claim) -> list[int]:
    """Return the numbers of the claims that lie outside the hours."""
    return [claim.id.int for claim in claims_outside_hours(DoctorTerms.from_rules(rules).hours, claims)]


def test_a_visit_must_lie_within_the_hours_as_a_whole_and_its_buffers_need_not() -> None:
    visits = [
        a_claim(1, NINE - 5 * MINUTE),
        a_claim(2, NINE, buffer_minutes=30),
        a_claim(3, NINE + 7 * HOUR + 30 * MINUTE, buffer_minutes=30),
        a_claim(4, NINE + 7 * HOUR + 35 * MINUTE),
        a_claim(5, NINE + 12 * HOUR),
    ]
    assert outside(a_doctor(), *visits) == [1, 4, 5]


def test_a_visit_may_cross_windows_that_touch_and_midnight_but_no_break() -> None:
    weekly = [
        WeeklyWindow(weekday=1, start="09:00", end="10:00"),
        WeeklyWindow(weekday=1, start="10:00", end="11:00"),
        WeeklyWindow(weekday=1, start="11:05", end="12:00"),
        WeeklyWindow(weekday=1, start="22:00", end="02:00"),
    ]
    visits = [a_claim(1, NINE + 45 * MINUTE), a_claim(2, NINE + 105 * MINUTE), a_claim(3, NINE + 14 * HOUR + 45 * MINUTE)]
    assert outside(a_doctor(weekly=weekly), *visits) == [2]


def test_a_day_off_leaves_the_visits_of_that_date_outside() -> None:
    off = [DateOverride(id=UUID(int=1), date=date(2026, 3, 9), windows=[])]
    assert outside(a_doctor(overrides=off), a_claim(1, NINE), a_claim(2, NINE + timedelta(days=7))) == [1]


def test_a_visit_that_staff_booked_outside_the_hours_on_purpose_is_not_listed() -> None:
    evening = NINE + 12 * HOUR
    visits = [a_claim(number, evening, override=code) for number, code in enumerate([None, *OverrideCode])]
    assert [number for number in range(len(visits)) if number not in outside(a_doctor(), *visits)] == [
        1 + list(OverrideCode).index(OverrideCode.OFF_HOURS)
    ]


def test_visits_years_apart_are_judged_each_by_its_own_day() -> None:
    far = datetime(2199, 12, 30, 8, tzinfo=UTC)  # a Monday
    assert outside(a_doctor(), a_claim(1, NINE), a_claim(2, far), a_claim(3, far + timedelta(days=1))) == [3]


clocks = st.integers(0, 287).map(lambda grain: f"{grain // 12:02}:{grain % 12 * 5:02}")
day_windows = st.builds(DayWindow, start=clocks, end=clocks | st.just("24:00"))
weekly_windows = st.builds(WeeklyWindow, weekday=st.sampled_from([5, 6, 7, 1]), start=clocks, end=clocks | st.just("24:00"))
overrides = st.builds(
    DateOverride,
    id=st.just(UUID(int=1)),
    date=st.sampled_from([date(2026, 3, 28), date(2026, 3, 29)]),
    windows=st.lists(day_windows, max_size=2),
)


@given(
    weekly=st.lists(weekly_windows, max_size=4),
    overrides=st.lists(overrides, max_size=1),
    zone=st.sampled_from(["Europe/Berlin", "UTC", "Asia/Kathmandu", "Pacific/Kiritimati"]),
    visits=st.lists(st.tuples(st.integers(-288, 576), st.sampled_from([5, 30, 180])), min_size=1, max_size=8),
)
def test_booked_visits_are_judged_as_new_ones_of_the_same_length(
    weekly: list[WeeklyWindow], overrides: list[DateOverride], zone: str, visits: list[tuple[int, int]]
) -> None:
    rules = a_doctor(weekly=weekly, overrides=overrides, time_zone=zone)
    starts = [(DST_SUNDAY + grains * 5 * MINUTE, minutes) for grains, minutes in sorted(visits)]
    claims = [a_claim(number, start, minutes) for number, (start, minutes) in enumerate(starts, start=1)]
    refused = [number for number, (start, minutes) in enumerate(starts, start=1) if is_refused(rules, start, minutes)]
    assert outside(rules, *claims) == refused


def is_refused(rules: DoctorRules, start: datetime, minutes: int) -> bool:
    """Return whether a new visit would be refused because of the hours."""
    service = ServiceTerms.from_rules(a_service(duration_minutes=minutes))
    candidates = range(grain_of(start), grain_of(start) + 1)
    grid = AvailabilityGrid.of(service, DoctorTerms.from_rules(rules), candidates, Viewer(NOON))
    return OUTSIDE_HOURS in reasons_against(grid, start)


def changes_over(claims: Iterable[Claim], now: datetime = NOON, **doctor: Any) -> RuleChanges:
    calendar = InMemoryCalendar({DOCTOR: a_doctor(**{"weekly": []} | doctor)}, {claim.id: claim for claim in claims})
    return RuleChanges(calendar, RuleCache(calendar, FakeRuleOwner()), lambda: now)


async def test_only_booked_visits_that_have_not_begun_are_listed_in_the_order_of_time() -> None:
    claims = [
        a_claim(1, NINE + HOUR),
        a_claim(2, NINE),
        a_claim(3, NINE - HOUR),
        a_claim(4, NINE + 2 * HOUR, begun=True),
        replace(a_claim(5, NINE + 3 * HOUR), live=False),
        a_claim(6, NINE + 4 * HOUR, requested=True),
        a_claim(7, NINE, session=0x61),
        Claim(UUID(int=8), 1, None, live=False),
    ]
    listed = await changes_over(claims, NINE).list_visits_outside_hours(DOCTOR, 1)
    assert [(item.appointment_id.int, item.starts_at) for item in listed.items] == [
        (2, NINE),
        (7, NINE),
        (1, NINE + HOUR),
        (6, NINE + 4 * HOUR),
    ]
    assert listed.complete


async def test_a_list_that_is_cut_says_so_and_begins_with_the_earliest() -> None:
    claims = [a_claim(number, NINE + (number // 2) * HOUR) for number in range(1, MAX_LISTED + 2)]
    listed = await changes_over(claims).list_visits_outside_hours(DOCTOR, 1)
    assert [item.appointment_id.int for item in listed.items] == list(range(1, MAX_LISTED + 1))
    assert not listed.complete
    assert (await changes_over(claims[:-1]).list_visits_outside_hours(DOCTOR, 1)).complete


async def test_visits_within_the_hours_do_not_hide_a_later_one_outside() -> None:
    weekly = [WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in range(1, 7)]
    within = [a_claim(number, NINE + timedelta(weeks=number)) for number in range(1, PAGE_SIZE + 2)]
    sunday = a_claim(PAGE_SIZE + 2, NINE + timedelta(weeks=PAGE_SIZE + 1, days=6))
    listed = await changes_over([*within, sunday], weekly=weekly).list_visits_outside_hours(DOCTOR, 1)
    assert [item.appointment_id for item in listed.items] == [sunday.id]


async def test_older_rules_do_not_judge() -> None:
    calendar = InMemoryCalendar({DOCTOR: a_doctor()}, {UUID(int=1): a_claim(1, NINE)})
    owner = FakeRuleOwner({DOCTOR: a_doctor(version=2, weekly=[])})
    changes = RuleChanges(calendar, RuleCache(calendar, owner), lambda: NOON)
    assert (await changes.list_visits_outside_hours(DOCTOR, 1)).items == []
    assert [item.appointment_id.int for item in (await changes.list_visits_outside_hours(DOCTOR, 2)).items] == [1]
    assert owner.requested == [DOCTOR]
