"""Who works here and what they offer, as far as the calendar must know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from shared.contracts.grains import GRAIN_MINUTES, Span, first_grain_at_or_after, grain_of
from shared.contracts.hours import Hours
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.contracts.text_search import fold_text


@dataclass(frozen=True, slots=True)
class Service:
    """A service type's terms; `duration`, `before`, `after` and `step` in grains.

    `daily_cap` and `weekly_cap` are visits of one doctor by local date and ISO week; `capacity` patients share a visit.
    """

    id: UUID
    duration: int
    before: int
    after: int
    step: int
    notice: timedelta
    horizon: timedelta
    active: bool
    capacity: int = 1
    daily_cap: int | None = None
    weekly_cap: int | None = None
    version: int = 0

    @classmethod
    def of(cls, rules: ServiceTypeRules) -> Self:
        return cls(
            id=rules.id,
            duration=rules.duration_minutes // GRAIN_MINUTES,
            before=rules.buffer_before_minutes // GRAIN_MINUTES,
            after=rules.buffer_after_minutes // GRAIN_MINUTES,
            step=rules.slot_step_minutes // GRAIN_MINUTES,
            notice=timedelta(minutes=rules.min_notice_minutes),
            horizon=timedelta(days=rules.horizon_days),
            active=rules.active,
            capacity=rules.capacity,
            daily_cap=rules.daily_cap,
            weekly_cap=rules.weekly_cap,
            version=rules.version,
        )

    @property
    def is_capped(self) -> bool:
        return self.daily_cap is not None or self.weekly_cap is not None

    @property
    def is_shared(self) -> bool:
        return self.capacity > 1

    def visit(self, start: int) -> Span:
        """What the patient is here for."""
        return range(start, start + self.duration)

    def span(self, start: int) -> Span:
        """What it takes of the doctor: the visit and both buffers."""
        return range(start - self.before, start + self.duration + self.after)

    def frame(self, starts: Span) -> Span:
        """All grains that visits with these starts can touch."""
        return range(starts.start - self.before, starts.stop + self.duration + self.after)

    def open_to(self, now: datetime) -> Span:
        """The starts that are neither too soon nor too far away; both are elapsed time, the last instant of the horizon included."""
        return range(first_grain_at_or_after(now + self.notice), grain_of(now + self.horizon) + 1)


@dataclass(frozen=True, slots=True)
class Doctor:
    """`specialties`, `languages` and `location` are folded, as they are compared."""

    id: UUID
    hours: Hours
    services: frozenset[UUID]
    active: bool
    accepting: bool
    specialties: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    location: str = ""
    version: int = 0

    @classmethod
    def of(cls, rules: DoctorRules) -> Self:
        return cls(
            rules.id,
            Hours.of(rules),
            frozenset(rules.services),
            rules.active,
            rules.accepting_patients,
            frozenset(map(fold_text, rules.specialties)),
            frozenset(map(fold_text, rules.languages)),
            fold_text(rules.location or ""),
            rules.version,
        )
