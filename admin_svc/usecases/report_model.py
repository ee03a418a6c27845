"""Keeping the read model of the reports: from events, day by day, and for as long as the clinic keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from admin_svc.domain.access_measures import AccessMeasure, access_measures
from admin_svc.domain.report_visits import ReportVisit, VisitReminder
from admin_svc.ports.reports import AvailabilityClient, ReportStore
from shared.contracts.availability import MAX_NEXT
from shared.contracts.clinic import CurrentClinic
from shared.contracts.events import AppointmentEvent, ReminderSent
from shared.contracts.values import years_before
from shared.kit.batch_deletion import delete_in_batches
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class ReportModel:
    """Records what events announce. The newest version of an appointment counts, in whatever order and how often events arrive."""

    store: ReportStore

    @retry_on_abort
    async def record_visit(self, event: AppointmentEvent) -> None:
        """Store an appointment as an event describes it, unless a newer version is stored."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.save_visit(ReportVisit.of(event))

    @retry_on_abort
    async def record_reminder(self, event: ReminderSent) -> None:
        """Record that a reminder of a visit was sent."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.save_reminder(VisitReminder.of(event))


@dataclass(frozen=True, slots=True)
class AccessNotes:
    """Notes once a day how far away the third next available appointments are. Days are those of the time zone of the `clinic`."""

    store: ReportStore
    availability: AvailabilityClient
    now: Clock
    clinic: CurrentClinic

    async def note_today(self) -> int:
        """Note the measures of the clinic's day unless they are noted. Raises Unavailable: the next run tries again.

        Returns 0 in any case: a day has one set of measures, so that the job need not run again at once.
        """
        now, time_zone = self.now(), self.clinic().time_zone
        if not await self._has_measures(now.astimezone(ZoneInfo(time_zone)).date()):
            await self._store(access_measures(await self.availability.list_next_available(MAX_NEXT), now, time_zone))
        return 0

    @retry_on_abort
    async def _has_measures(self, day: date) -> bool:
        return await self.store.has_measures(day)

    @retry_on_abort
    async def _store(self, measures: Sequence[AccessMeasure]) -> None:
        async with self.store.begin() as tx:
            await tx.save_measures(measures)


@dataclass(frozen=True, slots=True)
class ReportRetention:
    """Deletes visits and measures of more than `keep_years` years ago from the read model."""

    store: ReportStore
    keep_years: int
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to MAX_DELETED visits, and as many measures, in short transactions; return how many."""
        before = years_before(self.now(), self.keep_years)
        visits = await delete_in_batches(self.store.delete_old_visits, before)
        return visits + await delete_in_batches(self.store.delete_old_measures, before.date() - timedelta(days=1))
