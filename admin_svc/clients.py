"""auth-, doctor-, patient- and appointment-service over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.ports import AdminAppointment
from shared.contracts.http import AccountSummary, Actor, CreateAccount
from shared.contracts.pages import Page
from shared.contracts.refusals import NotFound
from shared.contracts.relayed_refusals import EmailTaken, NoSuchPatient
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpUserAccountClient:
    """Implements UserAccountClient."""

    service: ServiceClient

    async def create(self, account_id: UUID, request: CreateAccount) -> AccountSummary:
        try:
            return AccountSummary.model_validate(await self.service.call("PUT", f"/internal/accounts/{account_id}", body=request))
        except NotFound as refusal:
            if refusal.code == NoSuchPatient.code:
                raise NoSuchPatient from refusal
            raise

    async def get(self, account_id: UUID) -> AccountSummary:
        return await self.service.get(f"/internal/accounts/{account_id}", AccountSummary)

    async def list_accounts(self, **query: Any) -> Page[AccountSummary]:
        return await self.service.get("/internal/accounts", Page[AccountSummary], **query)

    async def update(self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID) -> AccountSummary:
        body = _with_expected_version({**changes, "change_id": str(change_id)}, expected_version)
        updated = await self.service.call("PATCH", f"/internal/accounts/{account_id}", body=body, is_repeatable=True)
        return AccountSummary.model_validate(updated)


@dataclass(frozen=True, slots=True)
class HttpDoctorProfileClient:
    """Implements DoctorProfileClient."""

    service: ServiceClient

    async def create(self, doctor_id: UUID, request: Mapping[str, Any]) -> None:
        await self.service.call("PUT", f"/internal/doctors/{doctor_id}", body=dict(request))

    async def prepare(self, doctor_id: UUID, request: Mapping[str, Any]) -> None:
        await self.service.call("PUT", f"/internal/pending-doctors/{doctor_id}", body=dict(request))

    async def discard(self, doctor_id: UUID) -> None:
        await self.service.call("DELETE", f"/internal/pending-doctors/{doctor_id}")

    async def rename(self, doctor_id: UUID, full_name: str) -> None:
        await self.service.call("PATCH", f"/internal/doctors/{doctor_id}", body={"full_name": full_name})


@dataclass(frozen=True, slots=True)
class HttpPatientNameClient:
    """Implements PatientNameClient."""

    service: ServiceClient

    async def rename(self, patient_id: UUID, full_name: str, by: Actor) -> None:
        body = {"full_name": full_name, "by": by.model_dump(mode="json")}
        await self.service.call("PATCH", f"/internal/patients/{patient_id}", body=body)


@dataclass(frozen=True, slots=True)
class HttpAppointmentClient:
    """Implements AppointmentClient."""

    service: ServiceClient

    async def get(self, appointment_id: UUID) -> AdminAppointment:
        return await self.service.get(f"/internal/appointments/{appointment_id}", AdminAppointment)

    async def list_appointments(self, **query: Any) -> Page[AdminAppointment]:
        return await self.service.get("/internal/appointments", Page[AdminAppointment], **query)

    async def update(
        self, appointment_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Actor, operation_id: UUID
    ) -> AdminAppointment:
        body = _with_expected_version({**changes, **_operation(by, operation_id)}, expected_version)
        return AdminAppointment.model_validate(await self.service.call("PUT", f"/internal/appointments/{appointment_id}", body=body))

    async def cancel(self, appointment_id: UUID, by: Actor, operation_id: UUID) -> None:
        body = _operation(by, operation_id)
        await self.service.call("POST", f"/internal/appointments/{appointment_id}/cancel", body=body, is_repeatable=True)


@dataclass(frozen=True, slots=True)
class HttpDoctorImporter:
    """Implements ProfileImporter for doctors."""

    doctors: ServiceClient
    accounts: ServiceClient

    async def check(self, target_id: UUID, fields: Mapping[str, Any], by: Actor, *, dry_run: bool) -> bool:
        answer = await self.doctors.call("POST", f"/internal/doctor-checks/{target_id}", body=dict(fields), is_repeatable=True)
        if dry_run and not answer["exists"]:
            found = await self.accounts.call("POST", "/internal/account-search", body={"emails": [fields["email"]]}, is_repeatable=True)
            if set(found["account_ids"]) - {str(target_id)}:
                raise EmailTaken(pointer="/email")
        return bool(answer["exists"])

    async def create(self, target_id: UUID, fields: Mapping[str, Any], by: Actor) -> None:
        await self.doctors.call("PUT", f"/internal/doctors/{target_id}", body=dict(fields))


@dataclass(frozen=True, slots=True)
class HttpPatientImporter:
    """Implements ProfileImporter for patients."""

    patients: ServiceClient

    async def check(self, target_id: UUID, fields: Mapping[str, Any], by: Actor, *, dry_run: bool) -> bool:
        path, params = f"/internal/imported-patients/{target_id}/check", {"trial": "true" if dry_run else None}
        answer = await self.patients.call("POST", path, body=_imported_patient(fields, by), params=params, is_repeatable=True)
        return bool(answer["exists"])

    async def create(self, target_id: UUID, fields: Mapping[str, Any], by: Actor) -> None:
        await self.patients.call("PUT", f"/internal/imported-patients/{target_id}", body=_imported_patient(fields, by))


def _imported_patient(fields: Mapping[str, Any], by: Actor) -> dict[str, Any]:
    """Return the body that creates a patient of a file. An identifier is written there as its system, a space, and its value."""
    body = {**fields, "by": by.model_dump(mode="json")}
    if "identifiers" in fields:
        pairs = [identifier.partition(" ") for identifier in fields["identifiers"]]
        body["identifiers"] = [{"system": system, "value": value.strip()} for system, _, value in pairs]
    return body


def _operation(by: Actor, operation_id: UUID) -> dict[str, Any]:
    return {"by": by.model_dump(mode="json"), "operation_id": str(operation_id)}


def _with_expected_version(body: Mapping[str, Any], expected_version: int | None) -> dict[str, Any]:
    return dict(body) if expected_version is None else {**body, "expected_version": expected_version}
