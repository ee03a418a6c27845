"""The reports of the clinic: each counts what the read model has, and asks scheduling-service where hours or free times matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from admin_svc.domain import lead_times, report_figures
from admin_svc.domain.lead_times import LeadTimeRow
from admin_svc.domain.report_figures import (
    BookingRow,
    DayCounts,
    NoShowRow,
    ReportGroup,
    UtilisationRow,
    VisitCount,
    VisitField,
)
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.ports.reports import AvailabilityClient, OfferedMinutes, ReportStore
from admin_svc.usecases.report_names import ReportNames
from shared.contracts.clinic import CurrentClinic
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.deadlines import shorten_deadline
from shared.kit.retry import retry_on_abort

Row = TypeVar("Row")
CALENDAR_SECONDS = 5
"""How long a report waits for scheduling-service before it is given without what the calendar knows."""
WITH_TOTAL_ONLY = frozenset({ReportGroup.DOCTOR, ReportGroup.SERVICE})


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """Which report of a period to make. None stands for the default start or end of the period."""

    begins: datetime | None
    ends: datetime | None
    group: ReportGroup


@dataclass(frozen=True, slots=True)
class Report(Generic[Row]):
    """A report: its rows in the order of their keys, and their sum. `complete` is False if a service that knows a part did not answer."""

    period: ReportPeriod
    group: ReportGroup
    rows: Sequence[Row]
    total: Row
    complete: bool = True


@dataclass(frozen=True, slots=True)
class NextFreeTime:
    """The next free start for a specialty, None if there is none up to the horizon of its services."""

    specialty: str
    starts_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The clinic's day until now. `next_free` is None, and `complete` False, if scheduling-service did not answer."""

    period: ReportPeriod
    generated_at: datetime
    counts: DayCounts
    next_free: Sequence[NextFreeTime] | None

    @property
    def complete(self) -> bool:
        """True if scheduling-service answered."""
        return self.next_free is not None


@dataclass(frozen=True, slots=True)
class Reports:
    """The use cases of reports. Days are those of the time zone of the `clinic`. All raise RangeReversed or RangeTooLong."""

    store: ReportStore
    availability: AvailabilityClient
    names: ReportNames
    now: Clock
    clinic: CurrentClinic

    async def overview(self) -> Overview:
        """Return the counts of the clinic's day, and the next free start of each specialty."""
        now = self.now()
        period = ReportPeriod.day(now, self.clinic().time_zone)
        counts = DayCounts.of(await self._count(period, VisitField.STATUS))
        return Overview(period, now, counts, await self._find_next_free())

    async def utilisation(self, request: ReportRequest) -> Report[UtilisationRow]:
        """Return booked and offered minutes by doctor, service, day, weekday or hour.

        A service offers the minutes of all doctors who offer it, so that minutes count for several services. The total counts each once.
        """
        period, group = self._period(request), request.group
        by = report_figures.FIELD_OF_GROUP[group]
        single = await self._count(period, by, VisitField.MINUTES, VisitField.STATUS, is_group=False)
        session = VisitField.DOCTOR, VisitField.SERVICE, VisitField.START
        seats = await self._count(period, *session, VisitField.MINUTES, VisitField.STATUS, is_group=True)
        booked = report_figures.booked_minutes(single, seats, group, period)
        offered = await self._find_offered(period, group)
        rows = report_figures.utilisation_rows(booked, None if offered is None else _offered_by_key(offered, group))
        total = UtilisationRow(None, booked.total(), None if offered is None else _total_offered(offered))
        return Report(period, group, await self.names.add_to(rows, group), total, complete=offered is not None)

    async def no_shows(self, request: ReportRequest) -> Report[NoShowRow]:
        """Return how many visits were missed and attended by service, doctor, lead time, reminder or confirmation."""
        period, group = self._period(request), request.group
        counts = await self._count(period, report_figures.FIELD_OF_GROUP[group], VisitField.STATUS)
        rows = report_figures.no_show_rows(counts, group, period)
        return Report(period, group, await self.names.add_to(rows, group), report_figures.no_show_total(rows))

    async def bookings(self, request: ReportRequest) -> Report[BookingRow]:
        """Return how many visits were booked by day, channel, doctor, service, or new and returning patients."""
        period, group = self._period(request), request.group
        fields = dict.fromkeys([report_figures.FIELD_OF_GROUP[group], VisitField.STATUS, VisitField.FIRST])
        rows = report_figures.booking_rows(await self._count(period, *fields), group, period)
        return Report(period, group, await self.names.add_to(rows, group), report_figures.booking_total(rows))

    async def lead_times(self, request: ReportRequest) -> Report[LeadTimeRow]:
        """Return the days from booking to visit by service, doctor, day or weekday, and those to the third next available appointment."""
        period, group = self._period(request), request.group
        field = report_figures.FIELD_OF_GROUP[group]
        counts = await self._count(period, field, VisitField.LEAD, VisitField.STATUS)
        services = [counted.values[field] for counted in counts] if group is ReportGroup.SPECIALTY else []
        found = await self.names.find_specialties(services)
        third_next = await self._average_third_next_days(period, group)
        rows, total = lead_times.lead_time_rows(counts, group, period, third_next, found.specialties)
        return Report(period, group, await self.names.add_to(rows, group), total, complete=found.complete)

    def _period(self, request: ReportRequest) -> ReportPeriod:
        return ReportPeriod.of(request.begins, request.ends, self.clinic().time_zone, self.now())

    @retry_on_abort
    async def _count(self, period: ReportPeriod, *fields: VisitField, is_group: bool | None = None) -> list[VisitCount]:
        return await self.store.count_visits(period, fields, is_group=is_group)

    @retry_on_abort
    async def _average_third_next_days(self, period: ReportPeriod, group: ReportGroup) -> Mapping[str, float]:
        return await self.store.average_third_next_days(period, group)

    async def _find_offered(self, period: ReportPeriod, group: ReportGroup) -> OfferedMinutes | None:
        try:
            with shorten_deadline(CALENDAR_SECONDS):
                return await self.availability.list_offered(period, group)
        except Unavailable:
            return None

    async def _find_next_free(self) -> list[NextFreeTime] | None:
        try:
            with shorten_deadline(CALENDAR_SECONDS):
                services = await self.availability.list_next_available(1)
        except Unavailable:
            return None
        starts = dict[str, list[datetime]]()
        for service in services:
            if service.specialty:
                starts.setdefault(service.specialty, []).extend(service.starts)
        return [NextFreeTime(specialty, min(starts[specialty], default=None)) for specialty in sorted(starts)]


def _offered_by_key(offered: OfferedMinutes, group: ReportGroup) -> Counter[str]:
    minutes = Counter[str]()
    for doctor in offered.doctors:
        if group not in WITH_TOTAL_ONLY:
            minutes.update(doctor.minutes)
            continue
        keys: list[UUID] = [doctor.doctor_id] if group is ReportGroup.DOCTOR else doctor.service_ids
        for key in keys:
            minutes[str(key)] += sum(doctor.minutes.values())
    return minutes


def _total_offered(offered: OfferedMinutes) -> int:
    return sum(sum(doctor.minutes.values()) for doctor in offered.doctors)
