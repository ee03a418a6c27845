"""The period of a report, and the days, weekdays and hours of the clinic in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from shared.contracts.ranges import check_range

LONGEST_PERIOD = timedelta(days=366, hours=1)
"""A year, also one in which a clock goes back."""
DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """A half-open range of instants. Days, weekdays and hours are those of the wall clock in `time_zone` (IANA), the clinic's."""

    begins: datetime
    ends: datetime
    time_zone: str

    @classmethod
    def of(cls, begins: datetime | None, ends: datetime | None, time_zone: str, now: datetime) -> Self:
        """Return the period of a request. Without an end it ends with today, without a start it begins DEFAULT_DAYS before its end.

        Raises RangeReversed, or RangeTooLong above LONGEST_PERIOD.
        """
        until = ends or cls.day(now, time_zone).ends
        period = cls(begins or until - timedelta(days=DEFAULT_DAYS), until, time_zone)
        check_range(period.begins, period.ends, LONGEST_PERIOD)
        return period

    @classmethod
    def day(cls, now: datetime, time_zone: str) -> Self:
        """Return the clinic's day that contains an instant; it has 23 or 25 hours when the clock changes."""
        zone = ZoneInfo(time_zone)
        today = now.astimezone(zone).date()
        return cls(midnight(today, zone), midnight(today + timedelta(days=1), zone), time_zone)

    def local(self, instant: datetime) -> datetime:
        """Return an instant as the clinic's clock shows it."""
        return instant.astimezone(ZoneInfo(self.time_zone))

    def day_of(self, instant: datetime) -> str:
        """Return the date of an instant, such as `2026-03-09`."""
        return self.local(instant).date().isoformat()

    def weekday_of(self, instant: datetime) -> str:
        """Return the weekday of an instant, from `1` for Monday to `7` (ISO 8601)."""
        return str(self.local(instant).isoweekday())

    def minutes_by_hour(self, starts_at: datetime, minutes: int) -> Iterator[tuple[str, int]]:
        """Yield (hour, minutes) for each hour of the clock, `00` to `23`, in which a part of a visit lies."""
        at, left = starts_at, minutes
        while left > 0:
            local = self.local(at)
            part = min(left, 60 - local.minute)
            yield f"{local.hour:02}", part
            at, left = at + timedelta(minutes=part), left - part


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a date begins. Where midnight does not exist, that is the first instant of the date."""
    start = datetime.combine(day, time(), zone)
    return start.astimezone(ZoneInfo("UTC"))
