"""The calendar once more, by brute force: plain datetimes, minute by minute, nothing shared with the engine but the rules' own words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.contracts.http import DoctorRules, ServiceRules, WallWindow, WeeklyWindow

FIVE = timedelta(minutes=5)


@dataclass(frozen=True)
class Booked:
    """A visit of the doctor, with the buffers of its own service."""

    starts_at: datetime
    ends_at: datetime
    before: timedelta
    after: timedelta


@dataclass
class Oracle:
    doctor: DoctorRules
    service: ServiceRules
    now: datetime
    booked: list[Booked] = field(default_factory=list)
    patient: list[tuple[datetime, datetime]] = field(default_factory=list)
    by_staff: bool = False

    def reasons(self, start: datetime) -> set[str]:
        """Every code that stands against a visit at an instant."""
        end = start + timedelta(minutes=self.service.duration_minutes)
        before = timedelta(minutes=self.service.buffer_before_minutes)
        after = timedelta(minutes=self.service.buffer_after_minutes)
        taken = any(start < other.ends_at and other.starts_at < end for other in self.booked)
        close = any(start - before < other.ends_at + other.after and other.starts_at - other.before < end + after for other in self.booked)
        against = {
            "service_inactive": not self.service.active or self.service.id not in self.doctor.services,
            "doctor_inactive": not self.doctor.active,
            "doctor_not_accepting": not self.doctor.accepting_patients and not self.by_staff,
            "in_the_past": start < self.now,
            "too_soon": self.now <= start < self.now + timedelta(minutes=self.service.min_notice_minutes),
            "beyond_horizon": start > self.now + timedelta(days=self.service.horizon_days),
            "outside_hours": not all(self._in_a_window(minute) for minute in _steps(start, end)),
            "off_grid": self._in_a_window(start) and not self._on_a_grid(start),
            "taken": taken,
            "buffer": close and not taken,
            "patient_busy": any(start < until and begin < end for begin, until in self.patient),
        }
        return {code for code, applies in against.items() if applies}

    def _in_a_window(self, instant: datetime) -> bool:
        return any(True for _ in self._windows_at(instant))

    def _on_a_grid(self, instant: datetime) -> bool:
        step = timedelta(minutes=self.service.slot_step_minutes)
        return any(not (wall - opens) % step for wall, opens in self._windows_at(instant))

    def _windows_at(self, instant: datetime) -> Iterator[tuple[datetime, datetime]]:
        """What the doctor's clock shows, and when each window that contains this opened, by that clock."""
        wall = instant.astimezone(ZoneInfo(self.doctor.time_zone)).replace(tzinfo=None)
        for back in range(3):
            on = wall.date() - timedelta(days=back)
            for window in self._windows_on(on):
                midnight = datetime(on.year, on.month, on.day)  # noqa: DTZ001 - a wall clock
                opens, closes = midnight + _clock(window.start), midnight + _clock(window.end)
                closes += timedelta(days=1) if closes <= opens else timedelta()
                if opens <= wall < closes:
                    yield wall, opens

    def _windows_on(self, on: date) -> list[WallWindow] | list[WeeklyWindow]:
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
    while start < end:
        yield start
        start = (start.astimezone(UTC) + FIVE).astimezone(UTC)
