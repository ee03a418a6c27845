"""The third next available appointment: how long patients wait for a service, a doctor or a specialty, noted once a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from admin_svc.domain.report_figures import ReportGroup
from shared.contracts.availability import MAX_NEXT, ServiceAvailability

MEASURED_GROUPS = (ReportGroup.SERVICE, ReportGroup.DOCTOR, ReportGroup.SPECIALTY)


@dataclass(frozen=True, slots=True)
class AccessMeasure:
    """What was noted on a day of the clinic. `days` are the days of its calendar up to the third next available appointment; None if there
    are not so many up to the horizon of the services."""

    noted_on: date
    group: ReportGroup
    key: str
    noted_at: datetime
    days: int | None


def access_measures(services: Iterable[ServiceAvailability], now: datetime, time_zone: str) -> list[AccessMeasure]:
    """Return the measures of a day by service, doctor and specialty: for a doctor or a specialty those of the service with the nearest."""
    third_starts: dict[tuple[ReportGroup, str], datetime | None] = {}
    for service in services:
        _keep_nearest(third_starts, ReportGroup.SERVICE, str(service.service_id), service.starts)
        if service.specialty:
            _keep_nearest(third_starts, ReportGroup.SPECIALTY, service.specialty, service.starts)
        for doctor in service.doctors:
            _keep_nearest(third_starts, ReportGroup.DOCTOR, str(doctor.doctor_id), doctor.starts)
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    return [
        AccessMeasure(today, group, key, now, None if start is None else (start.astimezone(zone).date() - today).days)
        for (group, key), start in sorted(third_starts.items())
    ]


def _keep_nearest(
    third_starts: dict[tuple[ReportGroup, str], datetime | None], group: ReportGroup, key: str, starts: list[datetime]
) -> None:
    """Keep the nearest third start of a group."""
    start, known = (starts[MAX_NEXT - 1] if len(starts) >= MAX_NEXT else None), third_starts.get((group, key))
    third_starts[group, key] = min(start, known) if start and known else start or known
