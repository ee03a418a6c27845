"""auth-, doctor-, patient-, appointment- and scheduling-service over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from jose import jwk, jws
from jose.exceptions import JWSError

from admin_svc.domain.audit_chain import DayHead
from admin_svc.ports import AdminAppointment
from shared.contracts.audit import HEAD_TYPE, AuditHeadBody, AuditHeadSignature
from shared.contracts.http import AccountSummary, Actor, CreateAccount, SendClinicMessage
from shared.contracts.moves import AppointmentIds, MovePreview, MovePreviews, PlannedMove, PlannedMoves
from shared.contracts.pages import Page
from shared.contracts.refusals import NotFound
from shared.contracts.relayed_refusals import EmailTaken, NoSuchPatient
from shared.contracts.values import ReadModel
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

    async def update(
        self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID, by: Actor
    ) -> AccountSummary:
        sent_by = {"change_id": str(change_id), "by": by.model_dump(mode="json")}
        body = _with_expected_version({**changes, **sent_by}, expected_version)
        updated = await self.service.call("PATCH", f"/internal/accounts/{account_id}", body=body, is_repeatable=True)
        return AccountSummary.model_validate(updated)


@dataclass(frozen=True, slots=True)
class HttpHeadSigner:
    """Implements HeadSigner."""

    service: ServiceClient

    async def sign(self, day: date, head: AuditHeadBody) -> AuditHeadSignature:
        return AuditHeadSignature.model_validate(await self.service.call("PUT", f"/internal/audit-heads/{day}", body=head))


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
        await self.cancel_for(appointment_id, by, operation_id, None)

    async def cancel_for(self, appointment_id: UUID, by: Actor, operation_id: UUID, reason: str | None) -> AdminAppointment:
        """Cancel an appointment, once per `operation_id`, and return it."""
        body = _operation(by, operation_id) | ({"reason": reason} if reason else {})
        path = f"/internal/appointments/{appointment_id}/cancel"
        return AdminAppointment.model_validate(await self.service.call("POST", path, body=body, is_repeatable=True))

    async def look_up(self, ids: Sequence[UUID]) -> dict[UUID, AdminAppointment]:
        """Return the appointments that exist, by id."""
        body = AppointmentIds(ids=list(ids)).model_dump(mode="json")
        answer = await self.service.call("POST", "/internal/appointments/lookup", body=body, is_repeatable=True)
        return {appointment.id: appointment for appointment in FoundAppointments.model_validate(answer).items}


class FoundAppointments(ReadModel):
    """The answer to a lookup of appointments."""

    items: list[AdminAppointment]


@dataclass(frozen=True, slots=True)
class HttpMovePlanning:
    """Implements MovePlanning."""

    service: ServiceClient

    async def preview(self, by: Actor, moves: Sequence[PlannedMove]) -> list[MovePreview]:
        body = PlannedMoves(by=by, moves=list(moves)).model_dump(mode="json")
        answer = await self.service.call("POST", "/internal/moves/preview", body=body, is_repeatable=True)
        return MovePreviews.model_validate(answer).items


@dataclass(frozen=True, slots=True)
class HttpClinicMessages:
    """Implements ClinicMessages."""

    service: ServiceClient

    async def send(self, message_id: UUID, patient_id: UUID, text: str) -> None:
        body = SendClinicMessage(patient_id=patient_id, text=text)
        await self.service.call("PUT", f"/internal/clinic-messages/{message_id}", body=body)


def head_verifier(keys: Iterable[Mapping[str, Any]]) -> Callable[[DayHead], bool]:
    """Return a function that says whether a head has a signature over exactly its day, lines and hashes.

    `keys` are those of `/.well-known/audit-keys.json`.
    """
    keys_by_id = {str(key["kid"]): jwk.construct(dict(key), "RS256") for key in keys}

    def is_signed(head: DayHead) -> bool:
        expected = {"day": str(head.day), "lines": head.lines, "hash": head.hash, "previous_hash": head.previous_hash}
        try:
            header = jws.get_unverified_header(str(head.signature))
            claims = json.loads(jws.verify(str(head.signature), keys_by_id[header["kid"]], algorithms=["RS256"]))
        except (JWSError, KeyError, ValueError):
            return False
        return header.get("typ") == HEAD_TYPE and {name: claims.get(name) for name in expected} == expected

    return is_signed


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
