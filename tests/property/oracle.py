"""An oracle: the rules of availability implemented by brute force, on datetimes in steps of five minutes.

It shares only the rules of doctor-service with the code under test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.contracts.http import DayWindow, DoctorRules, ServiceTypeRules, WeeklyWindow

FIVE = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BookedVisit:
    """A visit of the doctor, with the buffers of its own service; `counts` if it is of the service in question."""

    starts_at: datetime
    ends_at: datetime
    before: timedelta
    after: timedelta
    counts: bool = False


@dataclass(frozen=True)
class HeldTime(BookedVisit):
    """A time that someone holds until an instant."""

    own: bool = False
    until: datetime = NEVER


@dataclass(frozen=True)
class GroupVisit(BookedVisit):
    """A group session of the service in question; `usual` if it has the length and the buffers that the service has now."""

    booked: int = 1
    held: int = 0
    usual: bool = True


@dataclass
class Oracle:
    doctor: DoctorRules
    service: ServiceTypeRules
    now: datetime
    booked: list[BookedVisit] = field(default_factory=list)
    patient: list[tuple[datetime, datetime]] = field(default_factory=list)
    is_staff: bool = False
    away: list[tuple[datetime, datetime]] = field(default_factory=list)
    holds: list[HeldTime] = field(default_factory=list)
    groups: list[GroupVisit] = field(default_factory=list)

    @property
    def visit(self) -> timedelta:
        return timedelta(minutes=self.service.duration_minutes)

    def reasons(self, start: datetime) -> set[str]:
        """Return every code that stands against a visit at an instant."""
        end = start + self.visit
        first = start - timedelta(minutes=self.service.buffer_before_minutes)
        last = end + timedelta(minutes=self.service.buffer_after_minutes)
        against = {
            "service_inactive": not self.service.active or self.service.id not in self.doctor.services,
            "doctor_inactive": not self.doctor.active,
            "doctor_not_accepting": not self.doctor.accepting_patients and not self.is_staff,
            "in_the_past": start < self.now,
            "too_soon": self.now <= start < self.now + timedelta(minutes=self.service.min_notice_minutes) and not self._is_held(start),
            "beyond_horizon": start > self.now + timedelta(days=self.service.horizon_days),
            "outside_hours": not all(self._in_a_window(minute) for minute in _steps(start, end)),
            "off_grid": bool((start - EPOCH) % FIVE) or (self._in_a_window(start) and not self._on_a_grid(start)),
            "on_leave": any(first < until and begin < last for begin, until in self.away),
            "patient_busy": any(start < until and begin < end for begin, until in self.patient),
        }
        return {code for code, applies in against.items() if applies} | self._of_others(start, end, first, last)

    def _of_others(self, start: datetime, end: datetime, first: datetime, last: datetime) -> set[str]:
        """Return the codes that come from claims of others; none of them applies to a patient who joins a group with a free seat."""
        mine = next((group for group in self.groups if group.usual and group.starts_at == start), None)
        if mine is not None and mine.booked + mine.held < self.service.capacity:
            return set()
        visits: list[BookedVisit] = [*self.booked, *(group for group in self.groups if group.booked)]
        apart = [other for other in visits if not (start < other.ends_at and other.starts_at < end)]
        taken = len(apart) < len(visits)
        close = any(first < other.ends_at + other.after and other.starts_at - other.before < last for other in apart)
        others: list[BookedVisit] = [hold for hold in self.holds if not hold.own and self.now < hold.until]
        others += [group for group in self.groups if not group.booked]
        held = any(first < hold.ends_at + hold.after and hold.starts_at - hold.before < last for hold in others)
        is_held_for_viewer = self._has_own_hold_of(start, end, first, last)
        last_seats_are_held = mine is not None and mine.booked < self.service.capacity
        against = {
            "taken": ((mine is not None and mine.booked > 0) or (taken and not is_held_for_viewer)) and not last_seats_are_held,
            "held": held or last_seats_are_held,
            "buffer": close and not last_seats_are_held and not is_held_for_viewer,
            "daily_cap_reached": self._full(start, self.service.daily_cap, "%Y-%m-%d"),
            "weekly_cap_reached": self._full(start, self.service.weekly_cap, "%G-%V"),
        }
        return {code for code, applies in against.items() if applies}

    def _is_held(self, start: datetime) -> bool:
        """Return True if the viewer holds the five minutes of a start for this service."""
        own = [hold for hold in self.holds if hold.own and hold.counts and self.now < hold.until]
        return any(hold.starts_at <= start < hold.starts_at + FIVE for hold in own)

    def _has_own_hold_of(self, start: datetime, end: datetime, first: datetime, last: datetime) -> bool:
        """Return True if the viewer holds exactly this visit with these buffers: then visits in it were booked over the hold."""
        wanted = (start, end, first, last)
        own = [hold for hold in self.holds if hold.own and hold.counts and self.now < hold.until]
        return any(wanted == (hold.starts_at, hold.ends_at, hold.starts_at - hold.before, hold.ends_at + hold.after) for hold in own)

    def _full(self, start: datetime, cap: int | None, period: str) -> bool:
        """Return True if the doctor has the maximum of visits of the service in the local date or the ISO week of a start."""
        if cap is None:
            return False
        standing = [hold for hold in self.holds if hold.counts and not hold.own and self.now < hold.until]
        counted = [*(visit for visit in self.booked if visit.counts), *self.groups, *standing]
        zone = ZoneInfo(self.doctor.time_zone)
        requested = start.astimezone(zone).strftime(period)
        return sum(visit.starts_at.astimezone(zone).strftime(period) == requested for visit in counted) >= cap

    def _in_a_window(self, instant: datetime) -> bool:
        return any(True for _ in self._windows_at(instant))

    def _on_a_grid(self, instant: datetime) -> bool:
        step = timedelta(minutes=self.service.slot_step_minutes)
        return any(not (wall - opens) % step for wall, opens in self._windows_at(instant))

    def _windows_at(self, instant: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the time on the doctor's wall clock and the opening time of each window that contains it."""
        wall = instant.astimezone(ZoneInfo(self.doctor.time_zone)).replace(tzinfo=None)
        for back in range(3):
            on = wall.date() - timedelta(days=back)
            for window in self._windows_on(on):
                midnight = datetime(on.year, on.month, on.day)  # noqa: DTZ001 - a wall clock
                opens, closes = midnight + _clock(window.start), midnight + _clock(window.end)
                closes += timedelta(days=1) if closes <= opens else timedelta()
                if opens <= wall < closes:
                    yield wall, opens

    def _windows_on(self, on: date) -> list[DayWindow] | list[WeeklyWindow]:
        for override in self.doctor.overrides:
            if override.date == on:
                return override.windows
        return [rule for rule in self.doctor.weekly if rule.weekday == on.isoweekday() and _valid(rule, on)]


def _valid(rule: WeeklyWindow, on: date) -> bool:
    return (rule.valid_from is None or rule.valid_from <= on) and (rule.valid_to is None or on <= rule.valid_to)


def _clock(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _steps(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the instants at which working time could change: every whole five minutes."""
    while start < end:
        yield start
        start += FIVE - (start - EPOCH) % FIVE
