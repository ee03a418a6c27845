"""What the use cases of appointment-service need from outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol, Self
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from shared.contracts.http import DoctorRules, PatientSummary, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.identity import Caller, Role

Sort = Literal["starts_at", "-starts_at", "created_at", "-created_at"]


class Overtaken(Exception):
    """The appointment was changed by another since it was read."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which appointments, in which order. `owner_...` are the caller's own bounds beside what was asked for."""

    statuses: tuple[Status, ...] = ()
    doctor_ids: tuple[UUID, ...] = ()
    patient_ids: tuple[UUID, ...] = ()
    service_ids: tuple[UUID, ...] = ()
    begins: datetime | None = None
    ends: datetime | None = None
    sort: Sort = "starts_at"
    owner_doctor_id: UUID | None = None
    owner_patient_id: UUID | None = None

    def seen_by(self, by: Caller) -> Self:
        """What this caller may see of it."""
        if by.role is Role.PATIENT:
            return replace(self, owner_patient_id=by.id)
        return replace(self, owner_doctor_id=by.id) if by.role is Role.DOCTOR else self


class Store(Protocol):
    """A save is one atomic write of the appointment, its new history line and its event; only of the edition that was read."""

    async def add(self, appointment: Appointment) -> bool:
        """False when one with this id is there."""

    async def find(self, appointment_id: UUID) -> Appointment | None: ...

    async def find_all(self, ids: list[UUID]) -> dict[UUID, Appointment]: ...

    async def save(self, appointment: Appointment) -> Appointment:
        """As it stands afterwards; Overtaken when its edition is no longer the newest."""

    async def listed(self, wanted: Filter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]: ...

    async def unsettled(self, before: datetime, limit: int) -> list[Appointment]:
        """Those with an intent since before an instant, oldest first."""

    async def unanswered(self, before: datetime, limit: int) -> list[Appointment]:
        """Requested ones that start before an instant."""

    async def open_of(self, patient_id: UUID, now: datetime) -> int:
        """How many open ones of a patient lie ahead."""

    async def upcoming(self, now: datetime, limit: int, after: UUID | None) -> list[Appointment]:
        """Those that hold time and end after now, in the order of their ids."""


class Slots(Protocol):
    """The calendar. It refuses with Conflict or Invalid; anything else is Unavailable."""

    async def reserve(self, appointment_id: UUID, wish: ReserveTime) -> Reservation: ...

    async def release(self, appointment_id: UUID, revision: int) -> None: ...

    async def find(self, appointment_id: UUID) -> Reservation | None:
        """As it stands, also one that was released; None where there never was one."""

    async def live(self, after: str | None) -> tuple[list[Reservation], str | None]:
        """A page of live reservations, and where the next one begins."""


class Doctors(Protocol):
    async def doctor(self, doctor_id: UUID) -> DoctorRules: ...

    async def service(self, service_id: UUID) -> ServiceTypeRules: ...


class Patients(Protocol):
    async def card(self, patient_id: UUID) -> PatientSummary: ...
