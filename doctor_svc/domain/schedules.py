"""A doctor's hours: weekly windows on a wall clock, and dates that go their own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from doctor_svc.domain.refusals import NoSuchOverride, RangeReversed, RangeTooLong, TooManyOverrides, WindowsOverlap
from shared.contracts.grains import grain_from, grain_of, instant_of
from shared.contracts.hours import Hours
from shared.contracts.http import DateOverride, DoctorRules, WallWindow, WeeklyWindow
from shared.contracts.refusals import expect_version

DAY, WEEK = 24 * 60, 7 * 24 * 60
LONGEST_RANGE = timedelta(days=62)
USUAL_RANGE = timedelta(days=14)
MOST_OVERRIDES = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """All changes make a new version."""

    weekly: tuple[WeeklyWindow, ...] = ()
    overrides: tuple[DateOverride, ...] = ()
    version: int = 1

    def with_weekly(self, weekly: Sequence[WeeklyWindow], expected: int | None) -> Self:
        """Replaces the weekly hours."""
        expect_version(self.version, expected)
        if any(_overlap(one, other) for one, other in combinations(weekly, 2)):
            raise WindowsOverlap(pointer="/weekly")
        return replace(self, weekly=tuple(weekly), version=self.version + 1)

    def with_override(self, one: UUID, on: date, windows: Sequence[WallWindow], expected: int | None) -> Self:
        """The hours of one date, in place of what stood there; no windows: a day off."""
        expect_version(self.version, expected)
        if any(_meet(_minutes(a), _minutes(b)) for a, b in combinations(windows, 2)):
            raise WindowsOverlap(pointer="/windows")
        others = [override for override in self.overrides if override.date != on]
        if len(others) >= MOST_OVERRIDES:
            raise TooManyOverrides
        known = self.override(on)
        changed = DateOverride(id=known.id if known else one, date=on, windows=list(windows))
        return replace(self, overrides=tuple(sorted([*others, changed], key=lambda each: each.date)), version=self.version + 1)

    def without_override(self, on: date, expected: int | None) -> Self:
        """The date follows the weekly hours again."""
        expect_version(self.version, expected)
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
        """Overrides whose date touches the range, and the windows in it."""
        zone = ZoneInfo(rules.time_zone)
        first, last = begins.astimezone(zone).date(), ends.astimezone(zone).date()
        touching = tuple(override for override in schedule.overrides if first - timedelta(days=1) <= override.date <= last)
        windows = tuple(_concrete(rules, begins, ends))
        return cls(rules.id, rules.time_zone, schedule.weekly, touching, windows, schedule.version)


def bounded(begins: datetime | None, ends: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """A range as asked for, by default from now and two weeks long."""
    start = begins or now
    end = ends or start + USUAL_RANGE
    if start >= end:
        raise RangeReversed(pointer="/from")
    if end - start > LONGEST_RANGE:
        raise RangeTooLong(pointer="/to")
    return start, end


def _concrete(rules: DoctorRules, begins: datetime, ends: datetime) -> Iterator[WorkingWindow]:
    zone, frame = ZoneInfo(rules.time_zone), range(grain_from(begins), grain_of(ends))
    working, _ = Hours.of(rules).expanded(frame, 1)
    at = frame.start
    while working:
        skipped = (working & -working).bit_length() - 1
        working >>= skipped
        length = (~working & (working + 1)).bit_length() - 1
        start, end = instant_of(at + skipped), instant_of(at + skipped + length)
        yield WorkingWindow(start, end, start.astimezone(zone).strftime("%Y-%m-%dT%H:%M"))
        working >>= length
        at += skipped + length


def _minutes(window: WallWindow | WeeklyWindow) -> tuple[int, int]:
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in (window.start, window.end))
    return start, end if end > start else end + DAY


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _overlap(one: WeeklyWindow, other: WeeklyWindow) -> bool:
    """Whether two weekly windows ever share a minute; Sunday's night runs into Monday."""
    together = (one.valid_from or date.min) <= (other.valid_to or date.max) and (other.valid_from or date.min) <= (one.valid_to or date.max)
    first, second = ([(each.weekday - 1) * DAY + minute for minute in _minutes(each)] for each in (one, other))
    return together and any(_meet((first[0] + week, first[1] + week), (second[0], second[1])) for week in (-WEEK, 0, WEEK))
