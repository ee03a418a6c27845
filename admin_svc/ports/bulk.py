"""What bulk changes of appointments need from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from admin_svc.domain.bulk import BulkChange, BulkItem
from admin_svc.ports.clients import AdminAppointment
from admin_svc.ports.store import ChainTransaction
from shared.contracts.http import Actor
from shared.contracts.moves import MovePreview, PlannedMove
from shared.contracts.pages import Page


class BulkAppointments(Protocol):
    """appointment-service, as far as many appointments are changed at once."""

    async def look_up(self, ids: Sequence[UUID]) -> Mapping[UUID, AdminAppointment]:
        """Return the appointments that exist, by id."""

    async def list_appointments(self, **query: Any) -> Page[AdminAppointment]:
        """Return one page of appointments; `query` has the filters, `limit` and `after` of appointment-service."""

    async def cancel_for(self, appointment_id: UUID, by: Actor, operation_id: UUID, reason: str | None) -> AdminAppointment:
        """Cancel an appointment, once per `operation_id`, and return it. Raises NotFound or Conflict."""

    async def update(
        self, appointment_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Actor, operation_id: UUID
    ) -> AdminAppointment:
        """Move an appointment, once per `operation_id`. Raises NotFound, or what the rules of appointments and calendar refuse."""


class MovePlanning(Protocol):
    """scheduling-service, which knows whether appointments can move."""

    async def preview(self, by: Actor, moves: Sequence[PlannedMove]) -> Sequence[MovePreview]:
        """Return for each move whether it can be made."""


class ClinicMessages(Protocol):
    """notification-service, which sends messages of the clinic to patients."""

    async def send(self, message_id: UUID, patient_id: UUID, text: str) -> None:
        """Send a message to a patient, or to the guardians, once per `message_id`."""


class BulkTransaction(ChainTransaction, Protocol):
    """A transaction with bulk changes: it commits on leaving and rolls back on any exception."""

    async def insert_bulk_change(self, change: BulkChange) -> None:
        """Insert a bulk change with its items, unless its id is stored already."""

    async def find_bulk_change(self, change_id: UUID) -> BulkChange | None:
        """Return a bulk change with the outcomes so far."""

    async def save_bulk_item(self, change_id: UUID, item: BulkItem) -> None:
        """Store the outcome of one appointment."""

    async def finish_bulk_change(self, change_id: UUID, now: datetime) -> None:
        """Record that all appointments have outcomes, and delete the texts."""

    async def make_bulk_change_due(self, change_id: UUID, now: datetime) -> None:
        """Let the job go on with a bulk change at once."""

    async def take_due_bulk_changes(self, now: datetime) -> list[UUID]:
        """Return some of the unfinished bulk changes that are due, and record when each is due again."""

    async def delete_bulk_changes(self, finished_before: datetime, limit: int) -> int:
        """Delete up to `limit` bulk changes that were finished before an instant; return how many."""


class BulkStore(Protocol):
    """The bulk changes in the database of admin-service."""

    def begin(self) -> AbstractAsyncContextManager[BulkTransaction]:
        """Open a transaction."""
