"""auth-, patient- and doctor-service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from notify_svc.domain.mail_content import PasswordLink
from shared.contracts.http import AccountContact, DoctorRules, PatientSummary
from shared.contracts.refusals import Invalid
from shared.contracts.values import Instant, ReadModel
from shared.kit.client import ServiceClient


class ResetToken(ReadModel):
    """The response of auth-service with the token of an invitation or password reset."""

    token: str
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class HttpContactClient:
    """Implements ContactClient."""

    auth: ServiceClient
    patients: ServiceClient
    doctors: ServiceClient

    async def find_account(self, account_id: UUID) -> AccountContact | None:
        return await self.auth.get_or_none(f"/internal/accounts/{account_id}", AccountContact)

    async def find_patient(self, patient_id: UUID) -> PatientSummary | None:
        return await self.patients.get_or_none(f"/internal/patients/{patient_id}", PatientSummary)

    async def find_doctor(self, doctor_id: UUID) -> DoctorRules | None:
        return await self.doctors.get_or_none(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def find_password_link(self, reset_id: UUID) -> PasswordLink | None:
        try:
            response = await self.auth.call("POST", f"/internal/password-resets/{reset_id}/token")
        except Invalid:
            return None
        token = ResetToken.model_validate(response)
        return PasswordLink(token.token, token.expires_at)
