"""Visits and the booking history, in the database of patient-service and at appointment-service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.visits import HistoryVisit, PatientVisit, VisitFilter
from patient_svc.ports.guardians import SortKey
from shared.contracts.booking_history import AppointmentSnapshot
from shared.kit.rebuilds import RebuildSource


class HistoryTransaction(Protocol):
    """The part of a transaction that reads and writes visits."""

    async def save_visit(self, visit: PatientVisit) -> None:
        """Store a visit unless a newer version of it is stored already.

        While a rebuild runs, only a version that was stored since its start counts: one from before may be wrong.
        """

    async def list_visits(self, patient_id: UUID, wanted: VisitFilter, *, limit: int, after: SortKey) -> list[HistoryVisit]:
        """Return up to `limit` visits of a patient, without names, after the one whose sort key (start, id) is `after`."""


class OldVisits(Protocol):
    """The visits that the law does not want any longer."""

    async def delete_ended_visits(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` visits that ended before an instant, those that ended first before others; return how many."""


class AppointmentDirectory(RebuildSource, Protocol):
    """Appointments at appointment-service. Each method raises Unavailable when it does not answer."""

    async def list_snapshots(self, ids: Sequence[UUID]) -> list[AppointmentSnapshot]:
        """Return what the appointments that exist among `ids` show of their services and doctors."""
