"""Caps: how many visits of a service a doctor may have on a day and in an ISO week, by the local dates of the doctor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scheduling_svc.domain.terms import ServiceTerms
from shared.contracts.grains import Bitmap, Span
from shared.contracts.hours import Hours, week_of


def full_periods(service: ServiceTerms, hours: Hours, counted_starts: Sequence[int], frame: Span) -> tuple[Bitmap, Bitmap]:
    """Return the grains of the days, and those of the weeks, that have as many visits as the service allows."""
    days = hours.days_of(counted_starts)
    visits_by_day, visits_by_week = Counter(days), Counter(map(week_of, days))
    daily_cap, weekly_cap = service.daily_cap or len(days) + 1, service.weekly_cap or len(days) + 1
    parts = list(hours.split_by_day(frame))
    full_days = [(part.start, part.stop) for day, part in parts if visits_by_day[day] >= daily_cap]
    full_weeks = [(part.start, part.stop) for day, part in parts if visits_by_week[week_of(day)] >= weekly_cap]
    return Bitmap.of_spans(full_days, frame), Bitmap.of_spans(full_weeks, frame)


def exceeds_cap(service: ServiceTerms, hours: Hours, counted_starts: Sequence[int], start: int, other_start: int) -> bool:
    """Return True if the caps leave no room for a visit at `start` once another visit at `other_start` is booked.

    A visit that joins a group session which is counted already adds none.
    """
    sessions = set(counted_starts) if service.is_group else set()
    if start in sessions:
        return False
    visits = [*counted_starts, *({other_start} - sessions)]
    *days, day, other_day = hours.days_of([*visits, start, other_start])
    weeks = [*map(week_of, days)]
    visits_of_day = days.count(day) if day == other_day else 0
    visits_of_week = weeks.count(week_of(day)) if week_of(day) == week_of(other_day) else 0
    return _is_reached(service.daily_cap, visits_of_day) or _is_reached(service.weekly_cap, visits_of_week)


def _is_reached(cap: int | None, visits: int) -> bool:
    return cap is not None and visits >= cap
