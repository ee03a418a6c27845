"""Working hours: rules on a wall clock, expanded to grains of UTC.

An instant is working time when the doctor's wall clock then shows a time inside a window. So a local time that does not exist yields
nothing and one that occurs twice yields both instants, with no case of its own: the wall clock's bits are copied to UTC one stretch
of constant offset after the other. The grid of starts is a wall-clock grid too, counted from each window's start, so that offsets of
30 or 45 minutes keep 9:00, 9:20, 9:40 on the clock.

A window belongs to the date on which it starts: an override of that date replaces it whole, with what it has after midnight, and
leaves alone what the evening before runs into the date. Windows that touch or overlap are one stretch of working time, which a visit
may use across the seam; each still has its own grid.
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

from shared.contracts.grains import DAY, GRAIN_MINUTES, GRAIN_SECONDS, HOUR, Span, every_nth, ones, overlap
from shared.contracts.http import DayWindow, DoctorRules, WeeklyWindow

CHUNK = 128 * DAY
LONGEST_DAYS = 1  # a window starts before 24:00 and is a day long at most: it ends on the next date
EVER = range(-(10**6), 10**6)


class Window(NamedTuple):
    """Grains from the local midnight of the date it belongs to; `stop` may lie on the next date."""

    start: int
    stop: int

    @classmethod
    def of(cls, rule: WeeklyWindow | DayWindow) -> Self:
        start, stop = _wall(rule.start), _wall(rule.end)
        return cls(start, stop if stop > start else stop + DAY)


class Rule(NamedTuple):
    """A weekly window and the days, numbered from the epoch, on which it holds."""

    days: range
    window: Window


@dataclass(frozen=True, slots=True)
class Hours:
    """A doctor's hours. `weekly` by weekday, Monday first; `overrides` by day number."""

    time_zone: str
    weekly: tuple[tuple[Rule, ...], ...]
    overrides: Mapping[int, tuple[Window, ...]]

    @classmethod
    def of(cls, rules: DoctorRules) -> Self:
        weekly: list[list[Rule]] = [[] for _ in range(7)]
        for rule in rules.weekly:
            weekly[rule.weekday - 1].append(Rule(_days(rule.valid_from, rule.valid_to), Window.of(rule)))
        overrides = {_day(override.date): tuple(map(Window.of, override.windows)) for override in rules.overrides}
        return cls(rules.time_zone, tuple(map(tuple, weekly)), overrides)

    def on(self, day: int) -> Iterator[Window]:
        """The windows that start on a day."""
        if day in self.overrides:
            yield from self.overrides[day]
        else:
            for rule in self.weekly[(day + 3) % 7]:  # the epoch was a Thursday
                if day in rule.days:
                    yield rule.window

    def expand(self, frame: Span, step: int) -> tuple[int, int]:
        """In a frame of UTC: the working time, and the grid of starts with a step in grains."""
        stretches = list(_stretches(self.time_zone, frame))
        if not stretches:
            return 0, 0
        first_day = min(span.start + offset for span, offset in stretches) // DAY - LONGEST_DAYS
        last_day = max(span.stop + offset for span, offset in stretches) // DAY
        wall, teeth = self._on_the_wall(range(first_day, last_day + 1), step)
        working = grid = 0
        for span, offset in stretches:
            mask, down, up = ones(len(span)), span.start + offset - first_day * DAY, span.start - frame.start
            working |= (wall >> down & mask) << up
            grid |= (teeth >> down & mask) << up
        return working, grid

    def days(self, frame: Span) -> Iterator[tuple[int, Span]]:
        """The frame cut where the local date changes, each part with its day; a date that the clock goes back to comes twice."""
        for span, offset in _stretches(self.time_zone, frame):
            at = span.start
            while at < span.stop:
                day = (at + offset) // DAY
                until = min((day + 1) * DAY - offset, span.stop)
                yield day, range(at, until)
                at = until

    def day_of(self, grain: int) -> int:
        """The local date of a grain, numbered from the epoch."""
        return self.days_of([grain])[0]

    def days_of(self, grains: Sequence[int]) -> list[int]:
        """The local dates of some grains, in their order."""
        if not grains:
            return []
        parts = list(self.days(range(min(grains), max(grains) + 1)))
        begins = [part.start for _, part in parts]
        return [parts[bisect_right(begins, grain) - 1][0] if parts else grain // DAY for grain in grains]

    def same_day(self, grain: int) -> list[Span]:
        """All grains of a grain's local date."""
        day = self.day_of(grain)
        return [span for other, span in self.days(range(grain - 2 * DAY, grain + 2 * DAY)) if other == day]

    def _on_the_wall(self, days: range, step: int) -> tuple[int, int]:
        wall = teeth = 0
        for number, day in enumerate(days):
            for start, stop in self.on(day):
                wall |= ones(stop - start) << number * DAY + start
                teeth |= every_nth(step, stop - start) << number * DAY + start
        return wall, teeth


def week_of(day: int) -> int:
    """The ISO week of a day, numbered from the one of the epoch, a Thursday."""
    return (day + 3) // 7


def _wall(clock: str) -> int:
    hours, minutes = clock.split(":")
    return (int(hours) * 60 + int(minutes)) // GRAIN_MINUTES


def _day(on: date) -> int:
    return (on - date(1970, 1, 1)).days


def _days(valid_from: date | None, valid_to: date | None) -> range:
    return range(_day(valid_from) if valid_from else EVER.start, _day(valid_to) + 1 if valid_to else EVER.stop)


def _stretches(time_zone: str, frame: Span) -> Iterator[tuple[Span, int]]:
    """The frame cut where the zone changes its offset, which comes along, in grains."""
    for number in range(frame.start // CHUNK, -(-frame.stop // CHUNK)):
        for span, offset in _chunk(time_zone, number):
            if part := overlap(span, frame):
                yield part, offset


@lru_cache(maxsize=2048)
def _chunk(time_zone: str, number: int) -> tuple[tuple[Span, int], ...]:
    """zoneinfo keeps its transitions to itself, so they are looked for: hour by hour, and then grain by grain where two differ."""
    zone, start, stop = ZoneInfo(time_zone), number * CHUNK, (number + 1) * CHUNK
    hourly = [_offset(zone, grain) for grain in range(start, stop + HOUR, HOUR)]
    edges = [start]
    for index, (before, after) in enumerate(pairwise(hourly)):
        if before != after:
            hour = range(start + index * HOUR, start + (index + 1) * HOUR + 1)
            edges.append(next(grain for grain in hour if _offset(zone, grain) != before))
    spans = [range(*pair) for pair in zip(edges, [*edges[1:], stop], strict=True)]
    offsets = [(span, _offset(zone, span.start)) for span in spans if span]
    # An offset with odd seconds (Monrovia until 1972) has no grain that starts on its wall clock's five minutes.
    return tuple((span, offset // GRAIN_SECONDS) for span, offset in offsets if offset % GRAIN_SECONDS == 0)


def _offset(zone: ZoneInfo, grain: int) -> int:
    shift = datetime.fromtimestamp(grain * GRAIN_SECONDS, zone).utcoffset()
    assert shift is not None
    return round(shift.total_seconds())
