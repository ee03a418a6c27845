"""Weekly hours, overrides, and the working windows that follow from them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.refusals import EmptyWindow, NoSuchOverride, TooManyOverrides, ValidityReversed, WindowsOverlap
from doctor_svc.domain.schedules import MAX_OVERRIDES, Schedule, ScheduleView, check_weekly_hours, check_windows, range_or_default
from shared.contracts.http import DateOverride, DayWindow, WeeklyWindow
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.refusals import Refusal, Stale

ID = UUID(int=1)
MONDAY = date(2026, 3, 9)
MONDAY_NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)


def weekly_window(weekday: int, start: str, end: str, **validity: Any) -> WeeklyWindow:
    return WeeklyWindow(weekday=weekday, start=start, end=end, **validity)


def day_window(start: str, end: str) -> DayWindow:
    return DayWindow(start=start, end=end)


def an_override(on: date, *windows: DayWindow, override_id: UUID = ID) -> DateOverride:
    return DateOverride(id=override_id, date=on, windows=list(windows))


def view_of(schedule: Schedule, starts_at: datetime, days: float, zone: str = "Europe/Berlin") -> ScheduleView:
    doctor = Doctor(ID, "ada@clinic.example", "Ada", zone, pending=False, schedule=schedule)
    return ScheduleView.for_range(doctor.rules(), schedule, starts_at, starts_at + timedelta(days=days))


def format_windows(view: ScheduleView) -> list[str]:
    return [f"{window.starts_at:%d %H:%M}-{window.ends_at:%d %H:%M} {window.local_start}" for window in view.windows]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (weekly_window(1, "09:00", "12:00"), weekly_window(1, "11:55", "13:00")),
        (weekly_window(1, "09:00", "17:00"), weekly_window(1, "09:00", "17:00")),
        (weekly_window(1, "22:00", "02:00"), weekly_window(2, "01:00", "03:00")),
        (weekly_window(7, "22:00", "02:00"), weekly_window(1, "00:00", "08:00")),
        (weekly_window(3, "00:00", "24:00"), weekly_window(3, "23:55", "00:05")),
        (weekly_window(3, "23:00", "08:00"), weekly_window(4, "07:00", "09:00")),
        (weekly_window(1, "09:00", "12:00", valid_to=MONDAY), weekly_window(1, "09:00", "12:00", valid_from=MONDAY)),
        # Sunday's night is the last of the old hours and runs into the first Monday of the new.
        (weekly_window(7, "22:00", "02:00", valid_to=date(2026, 3, 8)), weekly_window(1, "00:00", "08:00", valid_from=MONDAY)),
    ],
)
def test_windows_that_share_a_minute_of_some_week_are_refused(first: WeeklyWindow, second: WeeklyWindow) -> None:
    for earlier, later in ((first, second), (second, first)):
        with pytest.raises(WindowsOverlap) as refused:
            check_weekly_hours([weekly_window(5, "09:00", "10:00"), earlier, later])
        assert refused.value.facts == {"pointer": "/weekly/2"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (weekly_window(1, "09:00", "12:00"), weekly_window(1, "12:00", "13:00")),
        (weekly_window(1, "09:00", "12:00"), weekly_window(2, "09:00", "12:00")),
        (weekly_window(7, "22:00", "02:00"), weekly_window(1, "02:00", "08:00")),
        (weekly_window(1, "00:00", "24:00"), weekly_window(2, "00:00", "24:00")),
        (weekly_window(1, "09:00", "12:00", valid_to=date(2026, 3, 15)), weekly_window(1, "09:00", "12:00", valid_from=date(2026, 3, 16))),
        # Both hold on a Tuesday to Sunday only, so no Monday has both.
        (weekly_window(1, "09:00", "12:00", valid_to=date(2026, 3, 15)), weekly_window(1, "09:00", "12:00", valid_from=date(2026, 3, 10))),
    ],
)
def test_windows_that_never_share_a_minute_are_accepted(first: WeeklyWindow, second: WeeklyWindow) -> None:
    check_weekly_hours([first, second])
    assert Schedule().with_weekly_hours([first, second], None).weekly == (first, second)


@pytest.mark.parametrize("clock", ["00:00", "09:00", "23:55"])
def test_a_window_that_ends_when_it_starts_is_refused_and_a_whole_day_is_not(clock: str) -> None:
    with pytest.raises(EmptyWindow) as refused:
        check_weekly_hours([weekly_window(5, "09:00", "10:00"), weekly_window(1, clock, clock)])
    assert refused.value.facts == {"pointer": "/weekly/1/end"}
    with pytest.raises(EmptyWindow) as refused:
        check_windows([day_window(clock, clock)])
    assert refused.value.facts == {"pointer": "/windows/0/end"}
    check_weekly_hours([weekly_window(1, "00:00", "24:00")])
    check_windows([day_window("00:00", "24:00")])


def grains_of(window: WeeklyWindow) -> set[int]:
    """Return the 5-minute grains of a window in five weeks, counted one by one."""
    monday, grains = date(2026, 3, 2), set()
    start, end = (int(clock[:2]) * 12 + int(clock[3:]) // 5 for clock in (window.start, window.end))
    for day in range(35):
        on = monday + timedelta(days=day)
        if on.isoweekday() == window.weekday and (window.valid_from or on) <= on <= (window.valid_to or on):
            grains |= {day * 288 + grain for grain in range(start, end if end > start else end + 288)}
    return grains


clocks = st.sampled_from(["00:00", "01:00", "02:00", "09:00", "12:00", "22:00", "23:55"])
dates = st.none() | st.dates(date(2026, 3, 9), date(2026, 3, 29))
windows = st.builds(
    WeeklyWindow, weekday=st.integers(1, 7), start=clocks, end=clocks | st.just("24:00"), valid_from=dates, valid_to=dates
).filter(lambda window: window.start != window.end)


@given(windows, windows)
def test_overlap_agrees_with_counting_every_minute(first: WeeklyWindow, second: WeeklyWindow) -> None:
    try:
        check_weekly_hours([first, second])
        are_apart = True
    except ValidityReversed:
        return
    except WindowsOverlap:
        are_apart = False
    assert are_apart == grains_of(first).isdisjoint(grains_of(second))


def test_a_validity_that_ends_before_it_begins_is_refused() -> None:
    reversed_window = weekly_window(1, "09:00", "12:00", valid_from=date(2026, 3, 10), valid_to=MONDAY)
    with pytest.raises(ValidityReversed) as refused:
        check_weekly_hours([weekly_window(2, "09:00", "10:00"), reversed_window])
    assert refused.value.facts == {"pointer": "/weekly/1/valid_from"}


def test_every_change_makes_a_new_version_and_refuses_a_stale_one() -> None:
    schedule = (
        Schedule()
        .with_weekly_hours([weekly_window(1, "09:00", "12:00")], 1)
        .with_override(an_override(MONDAY), 2)
        .without_override(MONDAY, 3)
    )
    assert schedule.version == 4
    for change in (
        partial(schedule.with_weekly_hours, [], 3),
        partial(schedule.with_override, an_override(MONDAY), 3),
        partial(schedule.without_override, MONDAY, 3),
    ):
        with pytest.raises(Stale):
            change()


def test_an_override_replaces_the_one_of_its_date_and_keeps_its_id() -> None:
    replacement = an_override(MONDAY, day_window("09:00", "10:00"), override_id=UUID(int=2))
    schedule = Schedule().with_override(an_override(MONDAY), None).with_override(replacement, None)
    assert schedule.overrides == (DateOverride(id=ID, date=MONDAY, windows=[day_window("09:00", "10:00")]),)


def test_overrides_are_in_the_order_of_their_dates() -> None:
    schedule = Schedule().with_override(an_override(MONDAY), None).with_override(an_override(MONDAY - timedelta(days=3)), None)
    assert [override.date.day for override in schedule.overrides] == [6, 9]


def test_windows_of_one_date_may_not_overlap() -> None:
    for pair in (
        [day_window("09:00", "12:00"), day_window("11:00", "13:00")],
        [day_window("22:00", "02:00"), day_window("23:55", "01:00")],
    ):
        with pytest.raises(WindowsOverlap) as refused:
            check_windows(pair)
        assert refused.value.facts == {"pointer": "/windows/1"}


def test_the_number_of_overrides_is_limited_but_each_can_still_be_changed() -> None:
    many = tuple(DateOverride(id=ID, date=MONDAY + timedelta(days=day), windows=[]) for day in range(MAX_OVERRIDES))
    schedule = Schedule(overrides=many)
    with pytest.raises(TooManyOverrides):
        schedule.with_override(an_override(MONDAY - timedelta(days=1)), None)
    assert len(schedule.with_override(an_override(MONDAY, day_window("09:00", "10:00")), None).overrides) == MAX_OVERRIDES


def test_deleting_an_override_that_does_not_exist_is_refused() -> None:
    with pytest.raises(NoSuchOverride):
        Schedule().without_override(MONDAY, None)


def test_windows_keep_their_local_time_when_summer_time_begins() -> None:
    schedule = Schedule((weekly_window(6, "09:00", "12:00"), weekly_window(7, "09:00", "12:00")))
    assert format_windows(view_of(schedule, datetime(2026, 3, 28, tzinfo=UTC), 2)) == [
        "28 08:00-28 11:00 2026-03-28T09:00",
        "29 07:00-29 10:00 2026-03-29T09:00",
    ]


def test_a_night_in_which_the_clocks_change_is_an_hour_shorter_or_longer() -> None:
    nights = Schedule((weekly_window(6, "22:00", "06:00"),))
    assert format_windows(view_of(nights, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)) == ["28 21:00-29 04:00 2026-03-28T22:00"]
    assert format_windows(view_of(nights, datetime(2026, 10, 24, 12, tzinfo=UTC), 1)) == ["24 20:00-25 05:00 2026-10-24T22:00"]


def test_a_local_hour_that_does_not_exist_yields_nothing_and_one_that_occurs_twice_yields_two_hours() -> None:
    sundays = Schedule((weekly_window(7, "02:00", "03:00"),))
    assert format_windows(view_of(sundays, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)) == []
    assert format_windows(view_of(sundays, datetime(2026, 10, 24, 12, tzinfo=UTC), 1)) == ["25 00:00-25 02:00 2026-10-25T02:00"]


def test_windows_are_cut_to_the_range_and_a_day_off_has_none() -> None:
    schedule = Schedule((weekly_window(1, "09:00", "17:00"), weekly_window(2, "09:00", "17:00"))).with_override(
        an_override(date(2026, 3, 10)), None
    )
    view = view_of(schedule, MONDAY_NOON, 2)
    assert format_windows(view) == ["09 12:00-09 16:00 2026-03-09T13:00"]
    assert [override.date.day for override in view.overrides] == [10]


@pytest.mark.parametrize(("day", "is_listed"), [(8, False), (9, True), (10, True), (11, False)])
def test_overrides_that_touch_the_range_are_shown(day: int, is_listed: bool) -> None:
    midnight = datetime(2026, 3, 8, 23, 0, tzinfo=UTC)  # in Berlin the ninth begins
    schedule = Schedule().with_override(an_override(date(2026, 3, day)), None)
    assert bool(view_of(schedule, midnight, 2).overrides) is is_listed


def test_an_override_of_the_evening_before_touches_the_range_when_it_runs_over_midnight() -> None:
    schedule = Schedule().with_override(an_override(date(2026, 3, 8), day_window("20:00", "01:00")), None)
    view = view_of(schedule, datetime(2026, 3, 8, 23, 0, tzinfo=UTC), 1)
    assert (len(view.overrides), format_windows(view)) == (1, ["08 23:00-09 00:00 2026-03-09T00:00"])


def test_a_range_is_by_default_two_weeks_from_now() -> None:
    assert range_or_default(None, None, MONDAY_NOON) == (MONDAY_NOON, MONDAY_NOON + timedelta(days=14))
    assert range_or_default(MONDAY_NOON + timedelta(days=1), None, MONDAY_NOON)[1] == MONDAY_NOON + timedelta(days=15)


@pytest.mark.parametrize(
    ("starts", "ends", "refusal"),
    [(0, 0, RangeReversed), (1, 0, RangeReversed), (None, -1, RangeReversed), (0, 62.01, RangeTooLong)],
)
def test_a_range_that_is_empty_or_too_long_is_refused(starts: float | None, ends: float, refusal: type[Refusal]) -> None:
    starts_at, ends_at = [MONDAY_NOON + timedelta(days=days) if days is not None else None for days in (starts, ends)]
    with pytest.raises(refusal):
        range_or_default(starts_at, ends_at, MONDAY_NOON)


def test_sixty_two_days_are_not_too_long() -> None:
    assert range_or_default(MONDAY_NOON, MONDAY_NOON + timedelta(days=62), MONDAY_NOON)
