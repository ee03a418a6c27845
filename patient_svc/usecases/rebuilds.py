"""Rebuilding the booking history. `careslot rebuild history` inserts a row, and a job carries out what it requests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from patient_svc.domain.rebuilds import HistoryRebuild, RebuildPhase
from patient_svc.domain.visits import PatientVisit
from patient_svc.ports import AppointmentDirectory, RebuildStore
from shared.contracts.booking_history import MAX_SNAPSHOTS
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class RebuildRequests:
    """The use cases of the command line."""

    store: RebuildStore
    now: Clock

    @retry_on_abort
    async def request(self, rebuild_id: UUID) -> HistoryRebuild:
        """Request a rebuild, or return the one that is not finished, with which the service goes on."""
        if (existing := await self.store.find_open_rebuild()) is not None:
            return existing
        rebuild = HistoryRebuild(rebuild_id, self.now())
        async with self.store.begin() as tx:
            await tx.insert_rebuild(rebuild)
        return rebuild

    @retry_on_abort
    async def find(self, rebuild_id: UUID) -> HistoryRebuild | None:
        """Return a rebuild as it is now, or None."""
        return await self.store.find_rebuild(rebuild_id)


@dataclass(frozen=True, slots=True)
class HistoryRebuilding:
    """The job. Each step asks appointment-service for a page and stores it in one transaction, so that it can stop anywhere.

    What appointment-service lists replaces what was stored before the rebuild started. Events that arrive meanwhile are stored as always,
    and since then the newest version of an appointment counts.
    """

    store: RebuildStore
    appointments: AppointmentDirectory
    now: Clock

    async def advance(self) -> int:
        """Handle the next page of the rebuild that is not finished; return 1, or 0 if there is none. Raises Unavailable."""
        rebuild = await self._find_open()
        if rebuild is None or rebuild.started_at is None:
            return 0
        if rebuild.phase is RebuildPhase.READING:
            await self._read_page(rebuild, rebuild.started_at)
        else:
            await self._remove_page(rebuild, rebuild.started_at)
        return 1

    @retry_on_abort
    async def _find_open(self) -> HistoryRebuild | None:
        """Return the open rebuild. Its start is stored before anything is read."""
        rebuild = await self.store.find_open_rebuild()
        if rebuild is None or rebuild.started_at is not None:
            return rebuild
        started = rebuild.start(self.now())
        async with self.store.begin() as tx:
            return started if await tx.update_rebuild(rebuild, started) else None

    async def _read_page(self, rebuild: HistoryRebuild, started_at: datetime) -> None:
        page = await self.appointments.list_visits(rebuild.cursor)
        await self._store_page(rebuild, [PatientVisit.of(record) for record in page.items], started_at, page.next)

    @retry_on_abort
    async def _store_page(self, rebuild: HistoryRebuild, visits: list[PatientVisit], started_at: datetime, cursor: str | None) -> None:
        async with self.store.begin() as tx:
            if await tx.update_rebuild(rebuild, rebuild.after_reading(len(visits), cursor)) and visits:
                await tx.save_visits(visits, rebuild_started_at=started_at)

    async def _remove_page(self, rebuild: HistoryRebuild, started_at: datetime) -> None:
        """Remove the visits of a page that were not stored since the start, and that appointment-service does not have."""
        ids = await self._list_candidates(started_at, UUID(rebuild.cursor) if rebuild.cursor else None)
        snapshots = await self.appointments.list_snapshots(ids) if ids else []
        missing = set(ids) - {snapshot.appointment_id for snapshot in snapshots}
        await self._delete(rebuild, missing, started_at, str(ids[-1]) if len(ids) == MAX_SNAPSHOTS else None)

    @retry_on_abort
    async def _list_candidates(self, started_at: datetime, after: UUID | None) -> list[UUID]:
        return await self.store.list_visits_stored_before(started_at, limit=MAX_SNAPSHOTS, after=after)

    @retry_on_abort
    async def _delete(self, rebuild: HistoryRebuild, missing: Collection[UUID], started_at: datetime, cursor: str | None) -> None:
        async with self.store.begin() as tx:
            count = await tx.delete_visits(missing, stored_before=started_at) if missing else 0
            await tx.update_rebuild(rebuild, rebuild.after_removing(count, cursor, self.now()))
