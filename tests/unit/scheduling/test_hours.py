"""Weekly hours and overrides on the wall clock of the doctor become instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.grains import grain_of, instant_of
from shared.contracts.hours import Hours
from shared.contracts.http import DateOverride, DayWindow, WeeklyWindow
from tests.unit.scheduling.builders import a_doctor

MONDAY = datetime(2026, 3, 9, tzinfo=UTC)


def working(first: datetime, days: float, **rules: Any) -> list[str]:
    """Return the working time from an instant on, as `09 10:00-09 12:00` in UTC."""
    frame = range(grain_of(first), grain_of(first + timedelta(days=days)))
    bitmap, _ = Hours.from_rules(a_doctor(**{"time_zone": "UTC"} | rules)).expand(frame, 1)
    grains = list(bitmap)
    starts = [grain for grain in grains if grain - 1 not in set(grains)]
    stops = [grain + 1 for grain in grains if grain + 1 not in set(grains)]
    return [f"{instant_of(start):%d %H:%M}-{instant_of(stop):%d %H:%M}" for start, stop in zip(starts, stops, strict=True)]


def weekly(weekday: int, start: str, end: str, **validity: Any) -> WeeklyWindow:
    return WeeklyWindow(weekday=weekday, start=start, end=end, **validity)


def override(on: date, *windows: tuple[str, str]) -> DateOverride:
    return DateOverride(id=UUID(int=7), date=on, windows=[DayWindow(start=start, end=end) for start, end in windows])


def test_several_windows_of_a_day_are_separate() -> None:
    rules = [weekly(1, "09:00", "12:00"), weekly(1, "13:00", "17:00")]
    assert working(MONDAY, 2, weekly=rules) == ["09 09:00-09 12:00", "09 13:00-09 17:00"]


def test_windows_that_touch_are_one_stretch_of_working_time() -> None:
    assert working(MONDAY, 2, weekly=[weekly(1, "22:00", "24:00"), weekly(2, "00:00", "06:00")]) == ["09 22:00-10 06:00"]


def test_a_window_may_run_over_midnight() -> None:
    assert working(MONDAY, 3, weekly=[weekly(1, "22:00", "06:00")]) == ["09 22:00-10 06:00"]


def test_a_window_from_midnight_to_midnight_is_a_whole_day() -> None:
    for end in ("24:00", "00:00"):
        assert working(MONDAY, 3, weekly=[weekly(1, "00:00", end)]) == ["09 00:00-10 00:00"]


def test_a_window_that_begins_before_the_frame_reaches_into_it() -> None:
    assert working(MONDAY + timedelta(hours=1), 1, weekly=[weekly(7, "20:00", "04:00")]) == ["09 01:00-09 04:00"]


def test_a_rule_holds_from_its_first_day_to_its_last() -> None:
    rule = weekly(1, "09:00", "10:00", valid_from=date(2026, 3, 16), valid_to=date(2026, 3, 23))
    assert working(MONDAY, 28, weekly=[rule]) == ["16 09:00-16 10:00", "23 09:00-23 10:00"]


def test_a_date_without_windows_is_a_day_off() -> None:
    assert working(MONDAY, 8, weekly=[weekly(1, "09:00", "10:00")], overrides=[override(date(2026, 3, 9))]) == ["16 09:00-16 10:00"]


def test_windows_of_a_date_open_a_day_off() -> None:
    assert working(MONDAY, 3, weekly=[], overrides=[override(date(2026, 3, 10), ("10:00", "11:00"))]) == ["10 10:00-10 11:00"]


def test_windows_of_a_date_replace_the_weekly_ones() -> None:
    changed = working(MONDAY, 2, weekly=[weekly(1, "09:00", "17:00")], overrides=[override(date(2026, 3, 9), ("12:00", "13:00"))])
    assert changed == ["09 12:00-09 13:00"]


def test_a_day_off_does_not_shorten_the_window_of_the_evening_before() -> None:
    rules, off = [weekly(1, "22:00", "02:00"), weekly(2, "22:00", "02:00")], [override(date(2026, 3, 10))]
    assert working(MONDAY, 4, weekly=rules, overrides=off) == ["09 22:00-10 02:00"]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        ("Asia/Kathmandu", "09:00", "09 03:15-09 04:15"),
        ("America/St_Johns", "09:00", "09 11:30-09 12:30"),
        ("Pacific/Apia", "09:00", "08 20:00-08 21:00"),
        ("Pacific/Kiritimati", "09:00", "08 19:00-08 20:00"),
        ("Pacific/Pago_Pago", "09:00", "09 20:00-09 21:00"),
    ],
)
def test_hours_are_those_of_the_doctors_zone(zone: str, start: str, expected: str) -> None:
    assert working(MONDAY - timedelta(days=1), 3, time_zone=zone, weekly=[weekly(1, start, "10:00")]) == [expected]


def test_a_day_that_a_zone_left_out_has_no_hours() -> None:
    every_day = [weekly(day, "09:00", "10:00") for day in range(1, 8)]
    # Samoa went from Thursday 29 to Saturday 31 December 2011.
    assert working(datetime(2011, 12, 29, tzinfo=UTC), 3, time_zone="Pacific/Apia", weekly=every_day) == [
        "29 19:00-29 20:00",
        "30 19:00-30 20:00",
        "31 19:00-31 20:00",
    ]


def test_a_zone_whose_offset_is_not_in_whole_grains_has_no_hours() -> None:
    every_day = [weekly(day, "00:00", "24:00") for day in range(1, 8)]
    assert working(datetime(1971, 1, 4, tzinfo=UTC), 2, time_zone="Africa/Monrovia", weekly=every_day) == []
