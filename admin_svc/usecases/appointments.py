"""Reading and changing any appointment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.ports import AdminAppointment, AppointmentClient
from shared.contracts.http import Actor
from shared.contracts.identity import Caller
from shared.contracts.pages import Page


@dataclass(frozen=True, slots=True)
class AdminAppointments:
    """Passes requests on to appointment-service, which applies its rules and records who asked."""

    client: AppointmentClient

    async def get(self, appointment_id: UUID) -> AdminAppointment:
        """Return one appointment."""
        return await self.client.get(appointment_id)

    async def list_appointments(self, **query: Any) -> Page[AdminAppointment]:
        """Return one page of the appointments that a query of appointment-service selects."""
        return await self.client.list_appointments(**query)

    async def update(
        self, appointment_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Caller, operation_id: UUID
    ) -> AdminAppointment:
        """Change time, doctor or status, once per `operation_id`. Raises what appointment-service refuses."""
        return await self.client.update(appointment_id, changes, expected_version, Actor.from_caller(by), operation_id)
