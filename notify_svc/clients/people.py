"""The neighbours who know names and addresses."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from notify_svc.domain.letters import Link
from shared.contracts.http import AccountSummary, DoctorRules, PatientSummary
from shared.contracts.refusals import Invalid
from shared.contracts.values import Instant, ReadModel
from shared.kit.client import ServiceClient


class ResetToken(ReadModel):
    token: str
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class HttpPeople:
    auth: ServiceClient
    patients: ServiceClient
    doctors: ServiceClient

    async def account(self, account_id: UUID) -> AccountSummary | None:
        return await self.auth.get_or_none(f"/internal/accounts/{account_id}", AccountSummary)

    async def patient(self, patient_id: UUID) -> PatientSummary | None:
        return await self.patients.get_or_none(f"/internal/patients/{patient_id}", PatientSummary)

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None:
        return await self.doctors.get_or_none(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def link(self, reset_id: UUID) -> Link | None:
        """None when it was used, replaced, or is too old."""
        try:
            answer = ResetToken.model_validate(await self.auth.call("POST", f"/internal/password-resets/{reset_id}/token"))
        except Invalid:
            return None
        return Link(answer.token, answer.expires_at)
