"""auth-, patient- and doctor-service over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel

from notify_svc.domain.mail_content import PasswordLink
from shared.contracts.contacts import (
    AccountContacts,
    ContactRequest,
    DoctorContact,
    DoctorContactRequest,
    DoctorContacts,
    PatientContact,
    PatientContacts,
    ServiceReminders,
)
from shared.contracts.http import AccountContact
from shared.contracts.refusals import Invalid
from shared.contracts.values import Instant, ReadModel
from shared.kit.client import ServiceClient

Response = TypeVar("Response", bound=BaseModel)


class ResetToken(ReadModel):
    """The response of auth-service with the token of an invitation or password reset."""

    token: str
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class HttpContactSource:
    """Implements ContactSource and PasswordLinks."""

    auth: ServiceClient
    patients: ServiceClient
    doctors: ServiceClient

    async def fetch_accounts(self, ids: Sequence[UUID]) -> Sequence[AccountContact]:
        return (await _post(self.auth, ContactRequest(ids=list(ids)), AccountContacts)).items

    async def fetch_patients(self, ids: Sequence[UUID]) -> Sequence[PatientContact]:
        return (await _post(self.patients, ContactRequest(ids=list(ids)), PatientContacts)).items

    async def fetch_doctors(self, ids: Sequence[UUID]) -> Sequence[DoctorContact]:
        return (await _post(self.doctors, DoctorContactRequest(doctor_ids=list(ids)), DoctorContacts)).doctors

    async def fetch_services(self, ids: Sequence[UUID]) -> Sequence[ServiceReminders]:
        return (await _post(self.doctors, DoctorContactRequest(service_ids=list(ids)), DoctorContacts)).services

    async def find_password_link(self, reset_id: UUID) -> PasswordLink | None:
        try:
            response = await self.auth.call("POST", f"/internal/password-resets/{reset_id}/token")
        except Invalid:
            return None
        token = ResetToken.model_validate(response)
        return PasswordLink(token.token, token.expires_at)


async def _post(service: ServiceClient, request: BaseModel, response_model: type[Response]) -> Response:
    """Ask for contacts. The request changes nothing, so it may be repeated."""
    return response_model.model_validate(await service.call("POST", "/internal/contacts", body=request, is_repeatable=True))
