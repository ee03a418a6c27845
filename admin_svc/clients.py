"""HTTP out: the owners of accounts, profiles and appointments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.ports import Appointment, Listed
from shared.contracts.http import AccountSummary, Actor, CreateAccount
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpAccounts:
    auth: ServiceClient

    async def make(self, account_id: UUID, account: CreateAccount) -> AccountSummary:
        return AccountSummary.model_validate(await self.auth.call("PUT", f"/internal/accounts/{account_id}", body=account))

    async def get(self, account_id: UUID) -> AccountSummary:
        return await self.auth.get(f"/internal/accounts/{account_id}", AccountSummary)

    async def listed(self, **filters: Any) -> Listed[AccountSummary]:
        return await self.auth.get("/internal/accounts", Listed[AccountSummary], **filters)

    async def change(self, account_id: UUID, changes: Mapping[str, Any], expected: int | None = None) -> AccountSummary:
        body = dict(changes) if expected is None else {**changes, "expected_version": expected}
        return AccountSummary.model_validate(await self.auth.call("PATCH", f"/internal/accounts/{account_id}", body=body))


@dataclass(frozen=True, slots=True)
class HttpDoctors:
    doctor: ServiceClient

    async def make(self, doctor_id: UUID, profile: Mapping[str, Any]) -> None:
        await self.doctor.call("PUT", f"/internal/doctors/{doctor_id}", body=dict(profile))

    async def rename(self, doctor_id: UUID, full_name: str) -> None:
        await self.doctor.call("PATCH", f"/internal/doctors/{doctor_id}", body={"full_name": full_name})


@dataclass(frozen=True, slots=True)
class HttpPatients:
    patient: ServiceClient

    async def rename(self, patient_id: UUID, full_name: str) -> None:
        await self.patient.call("PATCH", f"/internal/patients/{patient_id}", body={"full_name": full_name})


@dataclass(frozen=True, slots=True)
class HttpAppointments:
    appointment: ServiceClient

    async def get(self, appointment_id: UUID) -> Appointment:
        return await self.appointment.get(f"/internal/appointments/{appointment_id}", Appointment)

    async def listed(self, **filters: Any) -> Listed[Appointment]:
        return await self.appointment.get("/internal/appointments", Listed[Appointment], **filters)

    async def change(self, appointment_id: UUID, changes: Mapping[str, Any], by: Actor, expected: int | None) -> Appointment:
        body = {**changes, "by": by.model_dump(mode="json")} | ({} if expected is None else {"expected_version": expected})
        return Appointment.model_validate(await self.appointment.call("PUT", f"/internal/appointments/{appointment_id}", body=body))

    async def cancel(self, appointment_id: UUID, by: Actor) -> None:
        await self.appointment.call("POST", f"/internal/appointments/{appointment_id}/cancel", body={"by": by.model_dump(mode="json")})
