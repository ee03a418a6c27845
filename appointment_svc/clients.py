"""The neighbours of appointment-service."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from shared.contracts.http import DoctorRules, PatientSummary, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.refusals import Conflict, Invalid, NotFound, Refusal, Unavailable
from shared.kit.client import ServiceClient
from shared.kit.paging import Page


@dataclass(frozen=True, slots=True)
class HttpSlots:
    """What is neither granted nor refused for a reason of the calendar's is as if it had not answered."""

    neighbour: ServiceClient

    async def reserve(self, appointment_id: UUID, wish: ReserveTime) -> Reservation:
        try:
            return Reservation.model_validate(await self.neighbour.call("PUT", f"/internal/reservations/{appointment_id}", body=wish))
        except (Conflict, Invalid):
            raise
        except (Refusal, ValidationError) as why:
            raise Unavailable("The calendar does not answer.", retry_after=2) from why

    async def release(self, appointment_id: UUID, revision: int) -> None:
        try:
            await self.neighbour.call("DELETE", f"/internal/reservations/{appointment_id}", params={"revision": revision})
        except Refusal as why:
            raise Unavailable("The calendar does not answer.", retry_after=2) from why

    async def find(self, appointment_id: UUID) -> Reservation | None:
        try:
            return await self.neighbour.get(f"/internal/reservations/{appointment_id}", Reservation)
        except NotFound:
            return None

    async def live(self, after: str | None) -> tuple[list[Reservation], str | None]:
        page = await self.neighbour.get("/internal/reservations", Page[Reservation], limit=100, after=after)
        return page.items, page.next


@dataclass(frozen=True, slots=True)
class HttpDoctors:
    neighbour: ServiceClient

    async def doctor(self, doctor_id: UUID) -> DoctorRules:
        return await self.neighbour.get(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def service(self, service_id: UUID) -> ServiceTypeRules:
        return await self.neighbour.get(f"/internal/services/{service_id}", ServiceTypeRules)


@dataclass(frozen=True, slots=True)
class HttpPatients:
    neighbour: ServiceClient

    async def card(self, patient_id: UUID) -> PatientSummary:
        return await self.neighbour.get(f"/internal/patients/{patient_id}", PatientSummary)
