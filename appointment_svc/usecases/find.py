"""Looking appointments up."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import NoSuchAppointment
from appointment_svc.ports import Filter, Store
from shared.contracts.identity import Caller


@dataclass(frozen=True, slots=True)
class Records:
    store: Store

    async def listed(self, by: Caller | None, wanted: Filter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]:
        """What the caller may see, one more than `limit` if there is; None asks for a service that checked already."""
        return await self.store.listed(wanted.seen_by(by) if by else wanted, limit + 1, after)

    async def one(self, by: Caller | None, appointment_id: UUID) -> Appointment:
        appointment = await self.store.find(appointment_id)
        if appointment is None:
            raise NoSuchAppointment
        return rules.seen_by(by, appointment) if by else appointment
