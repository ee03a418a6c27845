"""Appointments at appointment-service, for the booking history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from shared.contracts.booking_history import AppointmentSnapshot, AppointmentSnapshots, SnapshotRequest, VisitRecord
from shared.contracts.pages import Page
from shared.contracts.refusals import Refusal, Unavailable
from shared.kit.client import ServiceClient

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class HttpAppointmentDirectory:
    """Appointments at appointment-service. Any refusal becomes Unavailable: the caller can do nothing about it."""

    client: ServiceClient

    async def list_page(self, cursor: str | None) -> Page[VisitRecord]:
        """Return a page of all appointments about which events were published, by id."""
        try:
            return await self.client.get("/internal/visits", Page[VisitRecord], limit=PAGE_SIZE, after=cursor)
        except (Refusal, ValidationError) as error:
            raise Unavailable("The appointments are not available.", retry_after=2) from error

    async def list_snapshots(self, ids: Sequence[UUID]) -> list[AppointmentSnapshot]:
        """Return what the appointments that exist among `ids` show of their services and doctors."""
        body = SnapshotRequest(ids=list(ids)).model_dump(mode="json")
        try:
            response = await self.client.call("POST", "/internal/appointment-snapshots", body=body, is_repeatable=True)
            return AppointmentSnapshots.model_validate(response).items
        except (Refusal, ValidationError) as error:
            raise Unavailable("The appointments are not available.", retry_after=2) from error

    async def list_existing(self, ids: Sequence[UUID]) -> Collection[UUID]:
        """Return those of `ids` that exist."""
        return {snapshot.appointment_id for snapshot in await self.list_snapshots(ids)}
