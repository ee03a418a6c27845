"""The time that doctors offer: working hours without leaves and closures, summed by the days, weekdays or hours of a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from scheduling_svc.domain.terms import DoctorTerms
from shared.contracts.availability import TimeUnit
from shared.contracts.grains import DAY, GRAIN, GRAIN_MINUTES, HOUR, Bitmap, Span, first_grain_at_or_after, instant_of, ones
from shared.contracts.hours import Hours
from shared.contracts.ranges import check_range

LONGEST_RANGE = timedelta(days=366, hours=1)
EPOCH_DATE = datetime.fromtimestamp(0, UTC).date()


@dataclass(frozen=True, slots=True)
class OfferedTimeQuery:
    """A half-open range of at most LONGEST_RANGE, and by what its minutes are summed. The clock is that of `time_zone` (IANA)."""

    begins: datetime
    ends: datetime
    time_zone: str
    unit: TimeUnit

    def __post_init__(self) -> None:
        """Raise RangeReversed or RangeTooLong for a bad range."""
        check_range(self.begins, self.ends, LONGEST_RANGE)

    @property
    def frame(self) -> Span:
        """The grains that begin in the range."""
        return range(first_grain_at_or_after(self.begins), first_grain_at_or_after(self.ends))

    def parts(self) -> Iterator[tuple[str, Span]]:
        """Yield (key, span) for each part of the range that is summed separately; a key can come several times."""
        if self.unit is TimeUnit.TOTAL:
            yield "total", self.frame
            return
        clock = Hours(self.time_zone, ((),) * 7, {})
        for day, span in clock.split_by_day(self.frame):
            if self.unit is TimeUnit.DAY:
                yield date_of(day).isoformat(), span
            elif self.unit is TimeUnit.WEEKDAY:
                yield str(date_of(day).isoweekday()), span
            else:
                yield from _hours_of(span, self.time_zone)


def offered_minutes(doctor: DoctorTerms, absences: Iterable[tuple[int, int]], query: OfferedTimeQuery) -> dict[str, int]:
    """Return the minutes that a doctor offers, by key; keys without any are left out. An inactive doctor offers none."""
    if not doctor.active:
        return {}
    frame = query.frame
    offered = (doctor.hours.expand(frame, 1)[0] - Bitmap.of_spans(absences, frame)).bits
    minutes, days = Counter[str](), _GrainCounter(frame, offered)
    for key, span in query.parts():
        if count := days.count(span):
            minutes[key] += count * GRAIN_MINUTES
    return dict(minutes)


class _GrainCounter:
    """Counts bits of a long bitmap. It keeps the bits of one day at a time, because shifting the whole bitmap for each hour is slow."""

    def __init__(self, frame: Span, bits: int) -> None:
        self._frame, self._bits = frame, bits
        self._day, self._bits_of_day = range(0), 0

    def count(self, span: Span) -> int:
        """Return how many grains of a span are in the bitmap."""
        if len(span) > DAY:
            return (self._bits >> span.start - self._frame.start & ones(len(span))).bit_count()
        if not (self._day.start <= span.start and span.stop <= self._day.stop):
            self._day = range(span.start, span.start + DAY)
            self._bits_of_day = self._bits >> span.start - self._frame.start & ones(DAY)
        return (self._bits_of_day >> span.start - self._day.start & ones(len(span))).bit_count()


def _hours_of(span: Span, time_zone: str) -> Iterator[tuple[str, Span]]:
    """Yield (hour, span) for each hour of the clock in a part of a day in which the clock does not change."""
    offset = instant_of(span.start).astimezone(ZoneInfo(time_zone)).utcoffset() or timedelta()
    grains, start = offset // GRAIN, span.start
    while start < span.stop:
        local = (start + grains) % DAY
        stop = min(span.stop, start + HOUR - local % HOUR)
        yield f"{local // HOUR:02}", range(start, stop)
        start = stop


def date_of(day: int) -> date:
    """Return the date of a day that is numbered from the epoch."""
    return EPOCH_DATE + timedelta(days=day)
