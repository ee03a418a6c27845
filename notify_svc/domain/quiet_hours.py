"""Quiet hours: wall-clock times in a person's zone between which no reminder is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.contracts.contacts import QuietHours

TIME_TO_TRAVEL = timedelta(hours=1)
"""A reminder may wait for the end of the quiet hours if at least this much remains before the visit."""
TIME_TO_DELIVER = timedelta(minutes=5)
"""How long before the quiet hours begin a reminder goes out that cannot wait for their end."""


class QuietPeriod(NamedTuple):
    """One night of quiet hours, as instants in UTC. It begins at `begins_at` and ends before `ends_at`."""

    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class PersonalClock:
    """The wall clock of a person: IANA zone and quiet hours, which are empty if they begin when they end."""

    time_zone: str
    quiet_hours: QuietHours | None = None

    def quiet_period_at(self, instant: datetime) -> QuietPeriod | None:
        """Return the quiet period in which an instant lies, or None.

        A clock that is set back shows some times twice: the period reaches from the first time at which it shows the begin to the last at
        which it shows the end. A time that the clock leaves out counts as the instant at which it is set forward.
        """
        quiet, zone = self.quiet_hours, ZoneInfo(self.time_zone)
        if quiet is None or quiet.since == quiet.until:
            return None
        today = instant.astimezone(zone).date()
        for day in (today, today - timedelta(days=1)):
            last_day = day if quiet.since < quiet.until else day + timedelta(days=1)
            period = QuietPeriod(instant_of(day, quiet.since, zone, fold=0), instant_of(last_day, quiet.until, zone, fold=1))
            if period.begins_at <= instant < period.ends_at:
                next_period = self.quiet_period_at(period.ends_at)  # they can only meet in a night in which the clock is set back
                return period if next_period is None else QuietPeriod(period.begins_at, next_period.ends_at)
        return None

    def due_time(self, starts_at: datetime, offset: timedelta, wanted_since: datetime) -> datetime | None:
        """Return the instant at which a reminder is due, or None if it would come too late to be wanted.

        `offset` is elapsed time before the start. Inside quiet hours the reminder is due at their end, or shortly before they begin if less
        than an hour would remain.
        """
        nominal = starts_at - offset
        if nominal < wanted_since:
            return None
        period = self.quiet_period_at(nominal)
        if period is None:
            return nominal
        if period.ends_at + TIME_TO_TRAVEL <= starts_at:
            return period.ends_at
        earlier = max(period.begins_at - TIME_TO_DELIVER, wanted_since)
        period_before = self.quiet_period_at(earlier) if earlier < period.begins_at else period
        due_at = earlier if period_before is None else period_before.ends_at
        return due_at if due_at < period.begins_at else None

    def time_to_send(self, starts_at: datetime, now: datetime) -> datetime | None:
        """Return when a due reminder may be sent: now, at the end of the present quiet hours, or not at all (None)."""
        period = self.quiet_period_at(now)
        if period is None:
            return now
        return period.ends_at if period.ends_at + TIME_TO_TRAVEL <= starts_at else None


def instant_of(day: date, wall_time: time, zone: ZoneInfo, *, fold: int) -> datetime:
    """Return the instant, in UTC, at which the wall clock shows a time.

    If it shows the time twice, `fold` chooses the first (0) or the second (1). If it never does, the instant is that at which the clock is
    set forward, to the second.
    """
    wall = datetime.combine(day, wall_time, tzinfo=zone)
    instant = wall.replace(fold=fold).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    before, after = wall.replace(fold=1).astimezone(UTC), wall.replace(fold=0).astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        is_set_forward = middle.astimezone(zone).replace(tzinfo=None) > wall.replace(tzinfo=None)
        before, after = (before, middle) if is_set_forward else (middle, after)
    return after
