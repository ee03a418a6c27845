"""Weekly hours, dates of their own, and what comes of them in a range."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.refusals import NoSuchOverride, RangeReversed, RangeTooLong, TooManyOverrides, ValidityReversed, WindowsOverlap
from doctor_svc.domain.schedules import MOST_OVERRIDES, Schedule, ScheduleView, bounded, sound_date, sound_week
from shared.contracts.http import DateOverride, DayWindow, WeeklyWindow
from shared.contracts.refusals import Refusal, Stale

ONE = UUID(int=1)
MONDAY = date(2026, 3, 9)
NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


def weekly(weekday: int, start: str, end: str, **validity: Any) -> WeeklyWindow:
    return WeeklyWindow(weekday=weekday, start=start, end=end, **validity)


def wall(start: str, end: str) -> DayWindow:
    return DayWindow(start=start, end=end)


def shown(schedule: Schedule, begins: datetime, days: float, zone: str = "Europe/Berlin") -> ScheduleView:
    doctor = Doctor(ONE, "ada@clinic.example", "Ada", zone, pending=False, schedule=schedule)
    return ScheduleView.of(doctor.rules(), schedule, begins, begins + timedelta(days=days))


def hours(view: ScheduleView) -> list[str]:
    return [f"{window.starts_at:%d %H:%M}-{window.ends_at:%d %H:%M} {window.local_start}" for window in view.windows]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (weekly(1, "09:00", "12:00"), weekly(1, "11:55", "13:00")),
        (weekly(1, "09:00", "17:00"), weekly(1, "09:00", "17:00")),
        (weekly(1, "22:00", "02:00"), weekly(2, "01:00", "03:00")),
        (weekly(7, "22:00", "02:00"), weekly(1, "00:00", "08:00")),
        (weekly(3, "00:00", "24:00"), weekly(3, "23:55", "00:05")),
        (weekly(3, "23:00", "08:00"), weekly(4, "07:00", "09:00")),
        (weekly(1, "09:00", "12:00", valid_to=MONDAY), weekly(1, "09:00", "12:00", valid_from=MONDAY)),
        # Sunday's night is the last of the old hours and runs into the first Monday of the new.
        (weekly(7, "22:00", "02:00", valid_to=date(2026, 3, 8)), weekly(1, "00:00", "08:00", valid_from=MONDAY)),
    ],
)
def test_windows_that_share_a_minute_of_some_week_are_refused(one: WeeklyWindow, other: WeeklyWindow) -> None:
    for first, second in ((one, other), (other, one)):
        with pytest.raises(WindowsOverlap) as refused:
            sound_week([weekly(5, "09:00", "10:00"), first, second])
        assert refused.value.facts == {"pointer": "/weekly/2"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (weekly(1, "09:00", "12:00"), weekly(1, "12:00", "13:00")),
        (weekly(1, "09:00", "12:00"), weekly(2, "09:00", "12:00")),
        (weekly(7, "22:00", "02:00"), weekly(1, "02:00", "08:00")),
        (weekly(1, "00:00", "24:00"), weekly(2, "00:00", "24:00")),
        (weekly(1, "09:00", "12:00", valid_to=date(2026, 3, 15)), weekly(1, "09:00", "12:00", valid_from=date(2026, 3, 16))),
        # Both hold on a Tuesday to Sunday only, so no Monday has both.
        (weekly(1, "09:00", "12:00", valid_to=date(2026, 3, 15)), weekly(1, "09:00", "12:00", valid_from=date(2026, 3, 10))),
    ],
)
def test_windows_that_never_meet_stand_beside_each_other(one: WeeklyWindow, other: WeeklyWindow) -> None:
    sound_week([one, other])
    assert Schedule().with_weekly([one, other], None).weekly == (one, other)


def minutes_of(window: WeeklyWindow) -> set[int]:
    """Every five minutes of a window in five weeks, counted one by one."""
    first, found = date(2026, 3, 2), set()
    start, end = (int(clock[:2]) * 12 + int(clock[3:]) // 5 for clock in (window.start, window.end))
    for day in range(35):
        on = first + timedelta(days=day)
        if on.isoweekday() == window.weekday and (window.valid_from or on) <= on <= (window.valid_to or on):
            found |= {day * 288 + grain for grain in range(start, end if end > start else end + 288)}
    return found


clocks = st.sampled_from(["00:00", "01:00", "02:00", "09:00", "12:00", "22:00", "23:55"])
dates = st.none() | st.dates(date(2026, 3, 9), date(2026, 3, 29))
windows = st.builds(WeeklyWindow, weekday=st.integers(1, 7), start=clocks, end=clocks | st.just("24:00"), valid_from=dates, valid_to=dates)


@given(windows, windows)
def test_overlap_is_what_counting_every_minute_finds(one: WeeklyWindow, other: WeeklyWindow) -> None:
    try:
        sound_week([one, other])
        apart = True
    except ValidityReversed:
        return
    except WindowsOverlap:
        apart = False
    assert apart == minutes_of(one).isdisjoint(minutes_of(other))


def test_a_validity_that_ends_before_it_begins_is_refused() -> None:
    reversed_one = weekly(1, "09:00", "12:00", valid_from=date(2026, 3, 10), valid_to=MONDAY)
    with pytest.raises(ValidityReversed) as refused:
        sound_week([weekly(2, "09:00", "10:00"), reversed_one])
    assert refused.value.facts == {"pointer": "/weekly/1/valid_from"}


def test_every_change_makes_a_new_version_and_needs_the_one_that_was_read() -> None:
    schedule = Schedule().with_weekly([weekly(1, "09:00", "12:00")], 1).with_override(ONE, MONDAY, [], 2).without_override(MONDAY, 3)
    assert schedule.version == 4
    for change in (
        partial(schedule.with_weekly, [], 3),
        partial(schedule.with_override, ONE, MONDAY, [], 3),
        partial(schedule.without_override, MONDAY, 3),
    ):
        with pytest.raises(Stale):
            change()


def test_an_override_replaces_the_one_of_its_date_and_keeps_its_id() -> None:
    schedule = Schedule().with_override(ONE, MONDAY, [], None).with_override(UUID(int=2), MONDAY, [wall("09:00", "10:00")], None)
    assert schedule.overrides == (DateOverride(id=ONE, date=MONDAY, windows=[wall("09:00", "10:00")]),)


def test_overrides_stand_in_the_order_of_their_dates() -> None:
    schedule = Schedule().with_override(ONE, MONDAY, [], None).with_override(ONE, MONDAY - timedelta(days=3), [], None)
    assert [override.date.day for override in schedule.overrides] == [6, 9]


def test_windows_of_one_date_may_not_overlap() -> None:
    for pair in ([wall("09:00", "12:00"), wall("11:00", "13:00")], [wall("22:00", "02:00"), wall("23:55", "01:00")]):
        with pytest.raises(WindowsOverlap) as refused:
            sound_date(pair)
        assert refused.value.facts == {"pointer": "/windows/1"}


def test_the_number_of_overrides_is_bounded_but_each_can_be_changed() -> None:
    many = tuple(DateOverride(id=ONE, date=MONDAY + timedelta(days=day), windows=[]) for day in range(MOST_OVERRIDES))
    schedule = Schedule(overrides=many)
    with pytest.raises(TooManyOverrides):
        schedule.with_override(ONE, MONDAY - timedelta(days=1), [], None)
    assert len(schedule.with_override(ONE, MONDAY, [wall("09:00", "10:00")], None).overrides) == MOST_OVERRIDES


def test_a_date_without_an_override_has_none_to_take_away() -> None:
    with pytest.raises(NoSuchOverride):
        Schedule().without_override(MONDAY, None)


def test_nine_oclock_stays_nine_oclock_over_the_change_to_summer_time() -> None:
    schedule = Schedule((weekly(6, "09:00", "12:00"), weekly(7, "09:00", "12:00")))
    assert hours(shown(schedule, datetime(2026, 3, 28, tzinfo=UTC), 2)) == [
        "28 08:00-28 11:00 2026-03-28T09:00",
        "29 07:00-29 10:00 2026-03-29T09:00",
    ]


def test_a_night_over_the_change_of_clocks_is_an_hour_shorter_or_longer() -> None:
    nights = Schedule((weekly(6, "22:00", "06:00"),))
    assert hours(shown(nights, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)) == ["28 21:00-29 04:00 2026-03-28T22:00"]
    assert hours(shown(nights, datetime(2026, 10, 24, 12, tzinfo=UTC), 1)) == ["24 20:00-25 05:00 2026-10-24T22:00"]


def test_an_hour_that_does_not_exist_is_no_window_and_one_that_occurs_twice_is_one_of_two_hours() -> None:
    sundays = Schedule((weekly(7, "02:00", "03:00"),))
    assert hours(shown(sundays, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)) == []
    assert hours(shown(sundays, datetime(2026, 10, 24, 12, tzinfo=UTC), 1)) == ["25 00:00-25 02:00 2026-10-25T02:00"]


def test_windows_are_cut_to_the_range_and_a_day_off_has_none() -> None:
    schedule = Schedule((weekly(1, "09:00", "17:00"), weekly(2, "09:00", "17:00"))).with_override(ONE, date(2026, 3, 10), [], None)
    view = shown(schedule, NOON, 2)
    assert hours(view) == ["09 12:00-09 16:00 2026-03-09T13:00"]
    assert [override.date.day for override in view.overrides] == [10]


@pytest.mark.parametrize(("off", "listed"), [(8, False), (9, True), (10, True), (11, False)])
def test_overrides_that_touch_the_range_are_shown(off: int, listed: bool) -> None:
    midnight = datetime(2026, 3, 8, 23, 0, tzinfo=UTC)  # in Berlin the ninth begins
    schedule = Schedule().with_override(ONE, date(2026, 3, off), [], None)
    assert bool(shown(schedule, midnight, 2).overrides) is listed


def test_an_override_of_the_evening_before_touches_the_range_when_it_runs_over_midnight() -> None:
    schedule = Schedule().with_override(ONE, date(2026, 3, 8), [wall("20:00", "01:00")], None)
    view = shown(schedule, datetime(2026, 3, 8, 23, 0, tzinfo=UTC), 1)
    assert (len(view.overrides), hours(view)) == (1, ["08 23:00-09 00:00 2026-03-09T00:00"])


def test_a_range_is_two_weeks_from_now_unless_told() -> None:
    assert bounded(None, None, NOON) == (NOON, NOON + timedelta(days=14))
    assert bounded(NOON + timedelta(days=1), None, NOON)[1] == NOON + timedelta(days=15)


@pytest.mark.parametrize(
    ("begins", "ends", "refusal"),
    [(0, 0, RangeReversed), (1, 0, RangeReversed), (None, -1, RangeReversed), (0, 62.01, RangeTooLong)],
)
def test_a_range_that_is_empty_or_too_long_is_refused(begins: float | None, ends: float, refusal: type[Refusal]) -> None:
    asked = [NOON + timedelta(days=days) if days is not None else None for days in (begins, ends)]
    with pytest.raises(refusal):
        bounded(asked[0], asked[1], NOON)


def test_sixty_two_days_are_not_too_long() -> None:
    assert bounded(NOON, NOON + timedelta(days=62), NOON)
