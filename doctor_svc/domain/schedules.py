"""A doctor's working hours: weekly windows on the doctor's wall clock, and overrides that replace the hours of one date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from doctor_svc.domain.refusals import EmptyWindow, NoSuchOverride, TooManyOverrides, ValidityReversed, WindowsOverlap
from shared.contracts.grains import GRAIN, first_grain_at_or_after, grain_of, instant_of
from shared.contracts.hours import Hours
from shared.contracts.http import DateOverride, DayWindow, DoctorRules, WeeklyWindow
from shared.contracts.ranges import check_range
from shared.contracts.refusals import require_version
from shared.contracts.values import LATEST, local_start

W = TypeVar("W")
MinuteRange = tuple[int, int]
"""Start and end in minutes after midnight, half open; the end may lie on the next day."""
DAY_MINUTES = 24 * 60
LONGEST_RANGE = timedelta(days=62)
DEFAULT_RANGE = timedelta(days=14)
MAX_OVERRIDES = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """Weekly hours and overrides, in the order of their dates. Every change makes a new version.

    The windows have passed `check_weekly_hours` and `check_windows`.
    """

    weekly: tuple[WeeklyWindow, ...] = ()
    overrides: tuple[DateOverride, ...] = ()
    version: int = 1

    def with_weekly_hours(self, weekly: Sequence[WeeklyWindow], expected_version: int | None) -> Self:
        """Return the schedule with other weekly hours. Raises Stale."""
        require_version(self.version, expected_version)
        return replace(self, weekly=tuple(weekly), version=self.version + 1)

    def with_override(self, override: DateOverride, expected_version: int | None) -> Self:
        """Return the schedule with an override, which replaces the override of the same date and keeps its id.

        Raises Stale or TooManyOverrides.
        """
        require_version(self.version, expected_version)
        others = [other for other in self.overrides if other.date != override.date]
        if len(others) >= MAX_OVERRIDES:
            raise TooManyOverrides(pointer="/date")
        if (previous := self.override_on(override.date)) is not None:
            override = override.model_copy(update={"id": previous.id})
        return self._with_overrides(sorted([*others, override], key=lambda item: item.date))

    def without_override(self, on: date, expected_version: int | None) -> Self:
        """Return the schedule without the override of a date, which then follows the weekly hours. Raises Stale or NoSuchOverride."""
        require_version(self.version, expected_version)
        if self.override_on(on) is None:
            raise NoSuchOverride
        return self._with_overrides([override for override in self.overrides if override.date != on])

    def override_on(self, on: date) -> DateOverride | None:
        """Return the override of a date, or None."""
        return next((override for override in self.overrides if override.date == on), None)

    def _with_overrides(self, overrides: Sequence[DateOverride]) -> Self:
        return replace(self, overrides=tuple(overrides), version=self.version + 1)


@dataclass(frozen=True, slots=True)
class WorkingWindow:
    """Continuous working time between two instants. `local_start` is the start on the doctor's wall clock."""

    starts_at: datetime
    ends_at: datetime
    local_start: str


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule as it is shown: the rules, and the overrides and working windows in a range of time."""

    doctor_id: UUID
    time_zone: str
    weekly: tuple[WeeklyWindow, ...]
    overrides: tuple[DateOverride, ...]
    windows: tuple[WorkingWindow, ...]
    version: int

    @classmethod
    def for_range(cls, rules: DoctorRules, schedule: Schedule, starts_at: datetime, ends_at: datetime) -> Self:
        """Return the view of a range, half open.

        An override is shown if its date lies in the range, or if a window that begins on its date ends in the range after midnight.
        """
        zone = ZoneInfo(rules.time_zone)
        first, last = starts_at.astimezone(zone).date(), (ends_at - timedelta.resolution).astimezone(zone).date()
        overrides = tuple(override for override in schedule.overrides if override.date <= last and first <= _last_date(override))
        windows = tuple(_working_windows(rules, starts_at, ends_at))
        return cls(rules.id, rules.time_zone, schedule.weekly, overrides, windows, schedule.version)


def range_or_default(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """Return a requested range, by default from `now` and two weeks long. Raises RangeReversed or RangeTooLong."""
    start = starts_at or now
    end = ends_at or max(min(start + DEFAULT_RANGE, LATEST - GRAIN), start + GRAIN)
    check_range(start, end, LONGEST_RANGE)
    return start, end


def check_weekly_hours(weekly: Sequence[WeeklyWindow]) -> None:
    """Raise EmptyWindow, ValidityReversed, or WindowsOverlap if two windows share a minute of any week, those after midnight included."""
    _refuse_empty_windows(weekly, "/weekly")
    for index, window in enumerate(weekly):
        if window.valid_from and window.valid_to and window.valid_from > window.valid_to:
            raise ValidityReversed(pointer=f"/weekly/{index}/valid_from")
    _refuse_overlaps(weekly, _weekly_windows_overlap, "/weekly")


def check_windows(windows: Sequence[DayWindow]) -> None:
    """Raise EmptyWindow, or WindowsOverlap if two windows of one date share a minute."""
    _refuse_empty_windows(windows, "/windows")
    _refuse_overlaps(windows, lambda first, second: _ranges_overlap(_minute_range(first), _minute_range(second)), "/windows")


def _refuse_empty_windows(windows: Sequence[DayWindow | WeeklyWindow], pointer: str) -> None:
    """Raise EmptyWindow if a window ends when it starts. Such windows that were stored before this rule last a whole day."""
    for index, window in enumerate(windows):
        if window.start == window.end:
            raise EmptyWindow(pointer=f"{pointer}/{index}/end")


def _refuse_overlaps(windows: Sequence[W], overlaps: Callable[[W, W], bool], pointer: str) -> None:
    for index, window in enumerate(windows):
        if any(overlaps(earlier, window) for earlier in windows[:index]):
            raise WindowsOverlap(pointer=f"{pointer}/{index}")


def _weekly_windows_overlap(first: WeeklyWindow, second: WeeklyWindow) -> bool:
    """Return whether the windows share a minute of any week. Windows may run past midnight, so adjacent days are compared too."""
    start, end = _minute_range(second)
    return any(
        _ranges_overlap(_minute_range(first), (start + days * DAY_MINUTES, end + days * DAY_MINUTES))
        and _are_both_valid(first, second, days)
        for days in (-1, 0, 1)
        if (first.weekday + days - second.weekday) % 7 == 0
    )


def _are_both_valid(first: WeeklyWindow, second: WeeklyWindow, days: int) -> bool:
    """Return whether `first` is valid on a date of its weekday such that `second` is valid `days` later.

    Day numbers count from `date.min`, which was a Monday.
    """
    earliest = max((first.valid_from or date.min).toordinal(), (second.valid_from or date.min).toordinal() - days)
    latest = min((first.valid_to or date.max).toordinal(), (second.valid_to or date.max).toordinal() - days)
    return earliest + (first.weekday - earliest) % 7 <= latest


def _ranges_overlap(first: MinuteRange, second: MinuteRange) -> bool:
    return first[0] < second[1] and second[0] < first[1]


def _minute_range(window: DayWindow | WeeklyWindow) -> MinuteRange:
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in (window.start, window.end))
    return start, end if end > start else end + DAY_MINUTES


def _last_date(override: DateOverride) -> date:
    """Return the last date on which the override has working time, at least its own."""
    runs_past_midnight = any(_minute_range(window)[1] > DAY_MINUTES for window in override.windows)
    return override.date + timedelta(days=1) if runs_past_midnight else override.date


def _working_windows(rules: DoctorRules, starts_at: datetime, ends_at: datetime) -> Iterator[WorkingWindow]:
    """Yield each longest run of working time in a range. `working` is a bitmap: bit 0 is the first grain of `frame`."""
    frame = range(first_grain_at_or_after(starts_at), grain_of(ends_at))
    working = Hours.from_rules(rules).expand(frame, 1)[0].bits
    grain = frame.start
    while working:
        gap = (working & -working).bit_length() - 1  # the number of grains before the next working one
        working >>= gap
        length = (~working & (working + 1)).bit_length() - 1  # the number of working grains in a row
        start, end = instant_of(grain + gap), instant_of(grain + gap + length)
        yield WorkingWindow(start, end, local_start(start, rules.time_zone))
        working >>= length
        grain += gap + length
