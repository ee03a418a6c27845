"""How long patients wait from booking to visit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from uuid import UUID

from admin_svc.domain.report_figures import FIELD_OF_GROUP, UNKNOWN_KEY, ReportGroup, VisitCount, VisitField, key_of
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.domain.report_visits import HELD


@dataclass(frozen=True, slots=True)
class LeadTimeRow:
    """Visits whose booking time is known, and whole days from booking to visit. `third_next_available_days` is the mean of daily notes."""

    key: str | None
    visits: int = 0
    median_days: float | None = None
    p90_days: int | None = None
    third_next_available_days: float | None = None
    name: str | None = None


def lead_time_rows(
    counts: Iterable[VisitCount],
    group: ReportGroup,
    period: ReportPeriod,
    third_next: Mapping[str, float | None],
    specialties: Mapping[UUID, str],
) -> tuple[list[LeadTimeRow], LeadTimeRow]:
    """Return the days from booking to visit by key, and in total. `third_next` are the means of the daily notes by key.

    `specialties` are those of services; visits of others belong to the specialty UNKNOWN_KEY.
    """
    days_by_key: dict[str, Counter[int]] = defaultdict(Counter)
    for counted in counts:
        lead_days = counted.values[VisitField.LEAD]
        if counted.status in HELD and lead_days is not None:
            value = counted.values[FIELD_OF_GROUP[group]]
            key = specialties.get(value, UNKNOWN_KEY) if group is ReportGroup.SPECIALTY else key_of(group, value, period)
            days_by_key[key][lead_days] += counted.count
    keys = sorted(days_by_key.keys() | third_next.keys())
    rows = [lead_time_row(key, days_by_key.get(key, Counter()), third_next.get(key)) for key in keys]
    return rows, lead_time_row(None, sum(days_by_key.values(), Counter()), None)


def lead_time_row(key: str | None, days: Counter[int], third_next: float | None) -> LeadTimeRow:
    """Return the row of visits that are counted by their days. The 90th percentile is by the nearest rank."""
    count = days.total()
    if not count:
        return LeadTimeRow(key, third_next_available_days=third_next)
    middle = (_ranked(days, (count + 1) // 2) + _ranked(days, count // 2 + 1)) / 2
    return LeadTimeRow(key, count, middle, _ranked(days, ceil(count * 0.9)), third_next)


def _ranked(days: Counter[int], rank: int) -> int:
    """Return the value at a rank, from 1 on, of the values in ascending order."""
    seen = 0
    for value in sorted(days):
        seen += days[value]
        if seen >= rank:
            return value
    raise ValueError("there is no such rank")
