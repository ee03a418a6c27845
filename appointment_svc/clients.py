"""The neighbours of appointment-service."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import DoctorRules, PatientCard, Reservation, Reserve, ServiceRules
from shared.kit.client import Neighbour
from shared.kit.paging import Page


@dataclass(frozen=True, slots=True)
class HttpSlots:
    neighbour: Neighbour

    async def reserve(self, appointment_id: UUID, wish: Reserve) -> Reservation:
        return Reservation.model_validate(await self.neighbour.call("PUT", f"/internal/reservations/{appointment_id}", body=wish))

    async def release(self, appointment_id: UUID, revision: int) -> None:
        await self.neighbour.call("DELETE", f"/internal/reservations/{appointment_id}", params={"revision": revision})

    async def live(self, after: str | None) -> tuple[list[Reservation], str | None]:
        page = await self.neighbour.get("/internal/reservations", Page[Reservation], limit=100, after=after)
        return page.items, page.next


@dataclass(frozen=True, slots=True)
class HttpDoctors:
    neighbour: Neighbour

    async def doctor(self, doctor_id: UUID) -> DoctorRules:
        return await self.neighbour.get(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def service(self, service_id: UUID) -> ServiceRules:
        return await self.neighbour.get(f"/internal/services/{service_id}", ServiceRules)


@dataclass(frozen=True, slots=True)
class HttpPatients:
    neighbour: Neighbour

    async def card(self, patient_id: UUID) -> PatientCard:
        return await self.neighbour.get(f"/internal/patients/{patient_id}", PatientCard)
