"""The terms of doctors and service types, as far as the calendar needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from shared.contracts.grains import GRAIN_MINUTES, Span, first_grain_at_or_after, grain_of
from shared.contracts.hours import Hours
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.contracts.text_search import fold_text


@dataclass(frozen=True, slots=True)
class ServiceTerms:
    """The terms of a service type; `duration`, `buffer_before`, `buffer_after` and `step` are in grains.

    `daily_cap` and `weekly_cap` limit the visits of one doctor per local date and per ISO week. `capacity` patients share one visit.
    """

    id: UUID
    duration: int
    buffer_before: int
    buffer_after: int
    step: int
    notice: timedelta
    horizon: timedelta
    active: bool
    capacity: int = 1
    daily_cap: int | None = None
    weekly_cap: int | None = None
    version: int = 0
    specialty: str | None = None

    @classmethod
    def from_rules(cls, rules: ServiceTypeRules) -> Self:
        """Convert the rules of doctor-service."""
        return cls(
            id=rules.id,
            duration=rules.duration_minutes // GRAIN_MINUTES,
            buffer_before=rules.buffer_before_minutes // GRAIN_MINUTES,
            buffer_after=rules.buffer_after_minutes // GRAIN_MINUTES,
            step=rules.slot_step_minutes // GRAIN_MINUTES,
            notice=timedelta(minutes=rules.min_notice_minutes),
            horizon=timedelta(days=rules.horizon_days),
            active=rules.active,
            capacity=rules.capacity,
            daily_cap=rules.daily_cap,
            weekly_cap=rules.weekly_cap,
            version=rules.version,
            specialty=rules.specialty,
        )

    def with_duration(self, grains: int) -> Self:
        """Return the terms for a visit whose length was agreed before; later changes of the service type do not affect it."""
        return self if grains == self.duration else replace(self, duration=grains)

    @property
    def is_capped(self) -> bool:
        """True if the number of visits per day or week is limited."""
        return self.daily_cap is not None or self.weekly_cap is not None

    @property
    def is_group(self) -> bool:
        """True if several patients share one visit."""
        return self.capacity > 1

    def visit_span(self, start: int) -> Span:
        """Return the time of the patient, for a visit that starts at a grain."""
        return range(start, start + self.duration)

    def doctor_span(self, start: int) -> Span:
        """Return the time of the doctor, for a visit that starts at a grain: the visit and both buffers."""
        return range(start - self.buffer_before, start + self.duration + self.buffer_after)

    def frame(self, starts: Span) -> Span:
        """Return all grains that visits with these starts can touch, buffers included."""
        return range(starts.start - self.buffer_before, starts.stop + self.duration + self.buffer_after)

    def bookable_starts(self, now: datetime) -> Span:
        """Return the starts between notice and horizon. Both are elapsed time, and the last instant of the horizon is included."""
        return range(first_grain_at_or_after(now + self.notice), grain_of(now + self.horizon) + 1)

    def future_starts(self, now: datetime) -> Span:
        """Return the starts up to the horizon, those within the notice included: one that is held can still be booked."""
        return range(first_grain_at_or_after(now), grain_of(now + self.horizon) + 1)


@dataclass(frozen=True, slots=True)
class DoctorTerms:
    """The terms of a doctor. `specialties`, `languages` and `location` are folded (no case, no accents), as they are compared."""

    id: UUID
    hours: Hours
    services: frozenset[UUID]
    active: bool
    accepting_patients: bool
    specialties: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    location: str = ""
    version: int = 0

    @classmethod
    def from_rules(cls, rules: DoctorRules) -> Self:
        """Convert the rules of doctor-service."""
        return cls(
            id=rules.id,
            hours=Hours.from_rules(rules),
            services=frozenset(rules.services),
            active=rules.active,
            accepting_patients=rules.accepting_patients,
            specialties=frozenset(map(fold_text, rules.specialties)),
            languages=frozenset(map(fold_text, rules.languages)),
            location=fold_text(rules.location or ""),
            version=rules.version,
        )


@dataclass(frozen=True, slots=True)
class ServiceOffer:
    """A service type, and the doctors who offer it or whom the request names."""

    service: ServiceTerms
    doctors: Sequence[DoctorTerms]

    def with_duration(self, grains: int) -> Self:
        """Return the offer for a visit whose length was agreed before."""
        return replace(self, service=self.service.with_duration(grains))
