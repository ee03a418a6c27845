"""Visits and the booking history, in the database of patient-service and at appointment-service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.rebuilds import HistoryRebuild
from patient_svc.domain.visits import HistoryVisit, PatientVisit, VisitFilter
from patient_svc.ports.guardians import SortKey
from shared.contracts.booking_history import AppointmentSnapshot, VisitRecord
from shared.contracts.pages import Page


class HistoryTransaction(Protocol):
    """The part of a transaction that reads and writes visits and rebuilds."""

    async def save_visit(self, visit: PatientVisit) -> None:
        """Store a visit unless a newer version of it is stored already.

        While a rebuild runs, only a version that was stored since its start counts: one from before may be wrong.
        """

    async def save_visits(self, visits: Sequence[PatientVisit], *, rebuild_started_at: datetime) -> None:
        """Store some visits as appointment-service lists them, and record that all of them were stored now.

        A newer version stays if it was stored since the rebuild started: then it is from an event.
        """

    async def delete_visits(self, ids: Collection[UUID], *, stored_before: datetime) -> int:
        """Delete visits that were stored before an instant; return how many."""

    async def list_visits(self, patient_id: UUID, wanted: VisitFilter, *, limit: int, after: SortKey) -> list[HistoryVisit]:
        """Return up to `limit` visits of a patient, without names, after the one whose sort key (start, id) is `after`."""

    async def insert_rebuild(self, rebuild: HistoryRebuild) -> None:
        """Insert a rebuild."""

    async def update_rebuild(self, before: HistoryRebuild, after: HistoryRebuild) -> bool:
        """Store the new state of a rebuild; return False if it was changed since it was read."""


class HistoryStore(Protocol):
    """The part of the database that reads visits and rebuilds."""

    async def list_visits_stored_before(self, instant: datetime, *, limit: int, after: UUID | None) -> list[UUID]:
        """Return visits that were not stored since an instant, by id, after the id `after`."""

    async def find_open_rebuild(self) -> HistoryRebuild | None:
        """Return the oldest rebuild that is not finished."""

    async def find_rebuild(self, rebuild_id: UUID) -> HistoryRebuild | None:
        """Return a rebuild, or None."""


class OldVisits(Protocol):
    """The visits that the law does not want any longer."""

    async def delete_ended_visits(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` visits that ended before an instant, those that ended first before others; return how many."""


class RebuildStore(HistoryStore, Protocol):
    """The database, as rebuilds of the booking history need it."""

    def begin(self) -> AbstractAsyncContextManager[HistoryTransaction]:
        """Open a transaction."""


class AppointmentDirectory(Protocol):
    """Appointments at appointment-service. Each method raises Unavailable when it does not answer."""

    async def list_visits(self, cursor: str | None) -> Page[VisitRecord]:
        """Return a page of all appointments about which events were published, by id."""

    async def list_snapshots(self, ids: Sequence[UUID]) -> list[AppointmentSnapshot]:
        """Return what the appointments that exist among `ids` show of their services and doctors."""
