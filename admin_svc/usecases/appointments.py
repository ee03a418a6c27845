"""Seeing and changing every appointment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc import ports
from shared.contracts.http import Actor
from shared.contracts.identity import Caller


@dataclass(frozen=True, slots=True)
class Appointments:
    """appointment-service keeps the rules; it learns who asked."""

    owner: ports.Appointments

    async def find(self, appointment_id: UUID) -> ports.Appointment:
        return await self.owner.get(appointment_id)

    async def browse(self, **filters: Any) -> ports.Listed[ports.Appointment]:
        return await self.owner.listed(**filters)

    async def change(self, appointment_id: UUID, changes: Mapping[str, Any], by: Caller, expected: int | None) -> ports.Appointment:
        return await self.owner.change(appointment_id, changes, Actor.from_caller(by), expected)
