"""The read model of the reports, and scheduling-service, as the use cases need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from admin_svc.domain.access_measures import AccessMeasure
from admin_svc.domain.report_figures import ReportGroup, VisitCount, VisitField
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.domain.report_visits import ReportVisit, VisitReminder
from shared.contracts.availability import OfferedTime, ServiceAvailability
from shared.contracts.names import FoundNames


class ReportTransaction(Protocol):
    """A transaction with the read model: it commits on leaving and rolls back on any exception."""

    async def save_visit(self, visit: ReportVisit) -> None:
        """Store a visit unless a newer version of it is stored already.

        While a rebuild runs, only a version that was stored since its start counts: one from before may be wrong.
        """

    async def save_reminder(self, reminder: VisitReminder) -> None:
        """Record that a reminder was sent. A second one of the same visit changes nothing."""

    async def save_measures(self, measures: Sequence[AccessMeasure]) -> None:
        """Store the measures of a day, unless some of the same day are stored already."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""


class ReportStore(Protocol):
    """The database, as reports need it."""

    def begin(self) -> AbstractAsyncContextManager[ReportTransaction]:
        """Open a transaction."""

    async def count_visits(self, period: ReportPeriod, fields: Sequence[VisitField], *, is_group: bool | None = None) -> list[VisitCount]:
        """Return how many visits that start in the period have the same values of `fields`.

        With `is_group` only visits of group sessions count, or only the others.
        """

    async def average_third_next_days(self, period: ReportPeriod, group: ReportGroup) -> Mapping[str, float]:
        """Return the mean of the days to the third next available appointment that were noted in the period, by key of the group."""

    async def has_measures(self, noted_on: date) -> bool:
        """Return True if the measures of a day are stored."""

    async def delete_old_visits(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` visits that started before an instant, with their reminders, the oldest first; return how many."""

    async def delete_old_measures(self, before: date, limit: int) -> int:
        """Delete up to `limit` measures of days before a day; return how many."""


@dataclass(frozen=True, slots=True)
class OfferedMinutes:
    """The time that doctors offer in a period. Doctors who offer none may be missing."""

    doctors: Sequence[OfferedTime]


class NameClient(Protocol):
    """doctor-service, which knows the names of doctors and services."""

    async def find(self, doctor_ids: Sequence[UUID], service_ids: Sequence[UUID]) -> FoundNames:
        """Return the names of those that exist; MAX_NAMES of each are asked for at most. Raises Unavailable."""


class AvailabilityClient(Protocol):
    """scheduling-service, which knows hours, leaves, closures and free times. Each method raises Unavailable when it does not answer."""

    async def list_offered(self, period: ReportPeriod, group: ReportGroup) -> OfferedMinutes:
        """Return the minutes of all doctors in a period: in total, or by day, weekday or hour of the clinic."""

    async def list_next_available(self, count: int) -> list[ServiceAvailability]:
        """Return the first `count` free appointments, one after the other, of every service that can be booked.

        With more than one they are also given for each doctor.
        """
