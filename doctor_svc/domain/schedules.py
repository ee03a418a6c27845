"""A doctor's hours: weekly windows on a wall clock, and dates that go their own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from doctor_svc.domain.refusals import (
    NoSuchOverride,
    RangeReversed,
    RangeTooLong,
    TooManyOverrides,
    ValidityReversed,
    WindowsOverlap,
)
from shared.contracts.grains import GRAIN, first_grain_at_or_after, grain_of, instant_of
from shared.contracts.hours import Hours
from shared.contracts.http import DateOverride, DayWindow, DoctorRules, WeeklyWindow
from shared.contracts.refusals import require_version
from shared.contracts.values import LATEST

W = TypeVar("W")
DAY = 24 * 60
LONGEST_RANGE = timedelta(days=62)
USUAL_RANGE = timedelta(days=14)
MOST_OVERRIDES = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """All changes make a new version; windows must be `sound`."""

    weekly: tuple[WeeklyWindow, ...] = ()
    overrides: tuple[DateOverride, ...] = ()
    version: int = 1

    def with_weekly(self, weekly: Sequence[WeeklyWindow], expected: int | None) -> Self:
        """Replaces the weekly hours."""
        require_version(self.version, expected)
        return replace(self, weekly=tuple(weekly), version=self.version + 1)

    def with_override(self, one: UUID, on: date, windows: Sequence[DayWindow], expected: int | None) -> Self:
        """The hours of one date, in place of what stood there; no windows: a day off."""
        require_version(self.version, expected)
        others = [override for override in self.overrides if override.date != on]
        if len(others) >= MOST_OVERRIDES:
            raise TooManyOverrides
        known = self.override(on)
        changed = DateOverride(id=known.id if known else one, date=on, windows=list(windows))
        return replace(self, overrides=tuple(sorted([*others, changed], key=lambda each: each.date)), version=self.version + 1)

    def without_override(self, on: date, expected: int | None) -> Self:
        """The date follows the weekly hours again."""
        require_version(self.version, expected)
        if self.override(on) is None:
            raise NoSuchOverride
        return replace(self, overrides=tuple(each for each in self.overrides if each.date != on), version=self.version + 1)

    def override(self, on: date) -> DateOverride | None:
        return next((override for override in self.overrides if override.date == on), None)


@dataclass(frozen=True, slots=True)
class WorkingWindow:
    """Working time from an instant to another; windows that touch are one."""

    starts_at: datetime
    ends_at: datetime
    local_start: str


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule as it is shown: the rules, and what comes of them in a range."""

    doctor_id: UUID
    time_zone: str
    weekly: tuple[WeeklyWindow, ...]
    overrides: tuple[DateOverride, ...]
    windows: tuple[WorkingWindow, ...]
    version: int

    @classmethod
    def of(cls, rules: DoctorRules, schedule: Schedule, begins: datetime, ends: datetime) -> Self:
        """Overrides that touch the range with their date or with what they run into the next, and the windows in it."""
        zone = ZoneInfo(rules.time_zone)
        first, last = begins.astimezone(zone).date(), (ends - timedelta.resolution).astimezone(zone).date()
        touching = tuple(override for override in schedule.overrides if override.date <= last and first <= _last_date(override))
        windows = tuple(_concrete(rules, begins, ends))
        return cls(rules.id, rules.time_zone, schedule.weekly, touching, windows, schedule.version)


def sound_week(weekly: Sequence[WeeklyWindow]) -> None:
    """Refuses windows that end before they begin to hold, or that ever share a minute, be it after midnight."""
    for index, window in enumerate(weekly):
        if window.valid_from and window.valid_to and window.valid_from > window.valid_to:
            raise ValidityReversed(pointer=f"/weekly/{index}/valid_from")
    _apart(weekly, _overlap, "/weekly")


def sound_date(windows: Sequence[DayWindow]) -> None:
    """Refuses windows of one date that share a minute."""
    _apart(windows, lambda one, other: _meet(_minutes(one), _minutes(other)), "/windows")


def bounded(begins: datetime | None, ends: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """A range as asked for, by default from now and two weeks long."""
    start = begins or now
    end = ends or max(min(start + USUAL_RANGE, LATEST - GRAIN), start + GRAIN)
    if start >= end:
        raise RangeReversed(pointer="/from")
    if end - start > LONGEST_RANGE:
        raise RangeTooLong(pointer="/to")
    return start, end


def _concrete(rules: DoctorRules, begins: datetime, ends: datetime) -> Iterator[WorkingWindow]:
    zone, frame = ZoneInfo(rules.time_zone), range(first_grain_at_or_after(begins), grain_of(ends))
    working = Hours.from_rules(rules).expand(frame, 1)[0].bits
    at = frame.start
    while working:
        skipped = (working & -working).bit_length() - 1
        working >>= skipped
        length = (~working & (working + 1)).bit_length() - 1
        start, end = instant_of(at + skipped), instant_of(at + skipped + length)
        yield WorkingWindow(start, end, start.astimezone(zone).strftime("%Y-%m-%dT%H:%M"))
        working >>= length
        at += skipped + length


def _minutes(window: DayWindow | WeeklyWindow) -> tuple[int, int]:
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in (window.start, window.end))
    return start, end if end > start else end + DAY


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _last_date(override: DateOverride) -> date:
    over_midnight = any(_minutes(window)[1] > DAY for window in override.windows)
    return override.date + timedelta(days=1) if over_midnight else override.date


def _apart(windows: Sequence[W], overlap: Callable[[W, W], bool], where: str) -> None:
    for index, window in enumerate(windows):
        if any(overlap(other, window) for other in windows[:index]):
            raise WindowsOverlap(pointer=f"{where}/{index}")


def _overlap(one: WeeklyWindow, other: WeeklyWindow) -> bool:
    """Whether two weekly windows ever share a minute, be it after midnight."""
    begins, ends = _minutes(other)
    return any(
        _meet(_minutes(one), (begins + days * DAY, ends + days * DAY)) and _ever(one, other, days)
        for days in (-1, 0, 1)
        if (one.weekday + days - other.weekday) % 7 == 0
    )


def _ever(one: WeeklyWindow, other: WeeklyWindow, days: int) -> bool:
    """Whether there is a date of one window, so many days before a date of the other. The first date ever was a Monday."""
    first = max((one.valid_from or date.min).toordinal(), (other.valid_from or date.min).toordinal() - days)
    last = min((one.valid_to or date.max).toordinal(), (other.valid_to or date.max).toordinal() - days)
    return first + (one.weekday - first) % 7 <= last
