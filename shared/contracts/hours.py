"""Working hours: rules on a doctor's wall clock, expanded to grains of UTC.

An instant is working time when the doctor's wall clock then shows a time inside a window. The bits of the wall clock are copied to UTC, one
stretch of constant UTC offset after the other. So a local time that does not exist yields nothing and one that occurs twice yields both
instants, without a special case. The grid of starts is a wall-clock grid too, counted from the start of each window, so that zones with
offsets of 30 or 45 minutes keep 9:00, 9:20 and 9:40 on their clock.

A window belongs to the date on which it starts. An override of a date replaces the windows that start on it, including their parts after
midnight. It does not change a window that started on the date before and ends on this one. Windows that touch or overlap form one stretch
of working time, and a visit may cross the border between them; each window still has its own grid.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from shared.contracts.grains import DAY, GRAIN_MINUTES, GRAIN_SECONDS, HOUR, Bitmap, Span, every_nth, ones, overlap
from shared.contracts.http import DayWindow, DoctorRules, WeeklyWindow

CHUNK = 128 * DAY
MAX_DAYS_AFTER_START = 1  # a window starts before 24:00 and lasts a day at most, so it ends on the next date at the latest
ALL_DAYS = range(-(10**6), 10**6)


class Window(NamedTuple):
    """A working window in grains from the local midnight of the date it belongs to; `stop` may lie on the next date."""

    start: int
    stop: int

    @classmethod
    def from_rule(cls, rule: WeeklyWindow | DayWindow) -> Self:
        """Read the times of a rule; an end at or before the start means the next day."""
        start, stop = _grains_since_midnight(rule.start), _grains_since_midnight(rule.end)
        return cls(start, stop if stop > start else stop + DAY)


class WeeklyRule(NamedTuple):
    """A weekly window and the days, numbered from the epoch, on which it is valid."""

    valid_days: range
    window: Window


@dataclass(frozen=True, slots=True)
class Hours:
    """The working hours of a doctor: `weekly` rules by weekday, Monday first, and `overrides` by day number."""

    time_zone: str
    weekly: tuple[tuple[WeeklyRule, ...], ...]
    overrides: Mapping[int, tuple[Window, ...]]

    @classmethod
    def from_rules(cls, rules: DoctorRules) -> Self:
        """Read the hours from a doctor's rules."""
        weekly: list[list[WeeklyRule]] = [[] for _ in range(7)]
        for rule in rules.weekly:
            weekly[rule.weekday - 1].append(WeeklyRule(_valid_days(rule.valid_from, rule.valid_to), Window.from_rule(rule)))
        overrides = {_day_number(override.date): tuple(map(Window.from_rule, override.windows)) for override in rules.overrides}
        return cls(rules.time_zone, tuple(map(tuple, weekly)), overrides)

    def windows_on(self, day: int) -> Iterator[Window]:
        """Yield the windows that start on a local date, numbered from the epoch."""
        if day in self.overrides:
            yield from self.overrides[day]
        else:
            for rule in self.weekly[(day + 3) % 7]:  # the epoch was a Thursday
                if day in rule.valid_days:
                    yield rule.window

    def expand(self, frame: Span, step: int) -> tuple[Bitmap, Bitmap]:
        """Return the working time in a frame of UTC grains, and the grid of starts that are `step` grains apart."""
        stretches = list(_constant_offset_stretches(self.time_zone, frame))
        if not stretches:
            return Bitmap.empty(frame), Bitmap.empty(frame)
        first_day = min(span.start + offset for span, offset in stretches) // DAY - MAX_DAYS_AFTER_START
        last_day = max(span.stop + offset for span, offset in stretches) // DAY
        local_working, local_grid = self._wall_clock_bits(range(first_day, last_day + 1), step)
        working = grid = 0
        for span, offset in stretches:
            mask, local_index, index = ones(len(span)), span.start + offset - first_day * DAY, span.start - frame.start
            working |= (local_working >> local_index & mask) << index
            grid |= (local_grid >> local_index & mask) << index
        return Bitmap(frame, working), Bitmap(frame, grid)

    def split_by_day(self, frame: Span) -> Iterator[tuple[int, Span]]:
        """Yield (local date, span) for each part of a frame of UTC grains; a date to which the clock goes back comes twice."""
        for span, offset in _constant_offset_stretches(self.time_zone, frame):
            start = span.start
            while start < span.stop:
                day = (start + offset) // DAY
                stop = min((day + 1) * DAY - offset, span.stop)
                yield day, range(start, stop)
                start = stop

    def day_of(self, grain: int) -> int:
        """Return the local date of a grain, numbered from the epoch."""
        return self.days_of([grain])[0]

    def days_of(self, grains: Sequence[int]) -> list[int]:
        """Return the local dates of some grains, in their order."""
        if not grains:
            return []
        parts = list(self.split_by_day(range(min(grains), max(grains) + 1)))
        starts = [part.start for _, part in parts]
        return [parts[bisect_right(starts, grain) - 1][0] if parts else grain // DAY for grain in grains]

    def spans_of_same_day(self, grain: int) -> list[Span]:
        """Return the spans that make up the local date of a grain: one, or two where the clock went back over midnight."""
        day = self.day_of(grain)
        return [span for span_day, span in self.split_by_day(range(grain - 2 * DAY, grain + 2 * DAY)) if span_day == day]

    def _wall_clock_bits(self, days: range, step: int) -> tuple[int, int]:
        """Return working time and grid as bits of local grains, counted from the local midnight of the first day."""
        working = grid = 0
        for index, day in enumerate(days):
            for start, stop in self.windows_on(day):
                working |= ones(stop - start) << index * DAY + start
                grid |= every_nth(step, stop - start) << index * DAY + start
        return working, grid


def week_of(day: int) -> int:
    """Return the number of the ISO week of a day; week 0 is the week of the epoch, which was a Thursday."""
    return (day + 3) // 7


def _grains_since_midnight(clock: str) -> int:
    hours, minutes = clock.split(":")
    return (int(hours) * 60 + int(minutes)) // GRAIN_MINUTES


def _day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _valid_days(valid_from: date | None, valid_to: date | None) -> range:
    return range(_day_number(valid_from) if valid_from else ALL_DAYS.start, _day_number(valid_to) + 1 if valid_to else ALL_DAYS.stop)


def _constant_offset_stretches(time_zone: str, frame: Span) -> Iterator[tuple[Span, int]]:
    """Yield (span, UTC offset in grains) for each part of the frame in which the zone does not change its offset."""
    for number in range(frame.start // CHUNK, -(-frame.stop // CHUNK)):
        for span, offset in _stretches_of_chunk(time_zone, number):
            if part := overlap(span, frame):
                yield part, offset


@lru_cache(maxsize=2048)
def _stretches_of_chunk(time_zone: str, number: int) -> tuple[tuple[Span, int], ...]:
    """Return the stretches of one chunk of time.

    zoneinfo does not expose its transitions, so they are searched hour by hour, and then grain by grain within an hour whose two ends
    differ.
    """
    zone, start, stop = ZoneInfo(time_zone), number * CHUNK, (number + 1) * CHUNK
    hourly = [_offset_seconds(zone, grain) for grain in range(start, stop + HOUR, HOUR)]
    edges = [start]
    for index, (before, after) in enumerate(pairwise(hourly)):
        if before != after:
            hour = range(start + index * HOUR, start + (index + 1) * HOUR + 1)
            edges.append(next(grain for grain in hour if _offset_seconds(zone, grain) != before))
    spans = [range(*pair) for pair in zip(edges, [*edges[1:], stop], strict=True)]
    offsets = [(span, _offset_seconds(zone, span.start)) for span in spans if span]
    # With an offset of odd seconds (Monrovia until 1972) no grain starts at a whole five minutes of the wall clock.
    return tuple((span, offset // GRAIN_SECONDS) for span, offset in offsets if offset % GRAIN_SECONDS == 0)


def _offset_seconds(zone: ZoneInfo, grain: int) -> int:
    offset = datetime.fromtimestamp(grain * GRAIN_SECONDS, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())
