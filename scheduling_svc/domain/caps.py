"""Caps: how many visits of a service a doctor has on a day and in an ISO week, by the doctor's own dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scheduling_svc.domain.terms import Service
from shared.contracts.grains import Span, span_bits
from shared.contracts.hours import Hours, week_of


def full(service: Service, hours: Hours, counted: Sequence[int], frame: Span) -> tuple[int, int]:
    """The grains of the days, and of the weeks, on which there are as many visits as the service allows."""
    dates = hours.days_of(counted)
    days, weeks = Counter(dates), Counter(map(week_of, dates))
    daily, weekly = service.daily_cap or len(dates) + 1, service.weekly_cap or len(dates) + 1
    parts = list(hours.days(frame))
    full_days = [(part.start, part.stop) for day, part in parts if days[day] >= daily]
    full_weeks = [(part.start, part.stop) for day, part in parts if weeks[week_of(day)] >= weekly]
    return span_bits(full_days, frame), span_bits(full_weeks, frame)


def is_one_too_many(service: Service, hours: Hours, counted: Sequence[int], start: int, beside: int) -> bool:
    """Whether there is no room for a visit beside another one in the same day or week; one that joins a session is none more."""
    sessions = set(counted) if service.is_shared else set()
    if start in sessions:
        return False
    visits = [*counted, *({beside} - sessions)]
    *dates, day, another = hours.days_of([*visits, start, beside])
    weeks = [*map(week_of, dates)]
    of_day = dates.count(day) if day == another else 0
    of_week = weeks.count(week_of(day)) if week_of(day) == week_of(another) else 0
    return _reaches(of_day, service.daily_cap) or _reaches(of_week, service.weekly_cap)


def _reaches(visits: int, cap: int | None) -> bool:
    return cap is not None and visits >= cap
