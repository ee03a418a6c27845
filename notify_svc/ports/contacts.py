"""The services that own names and addresses."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from notify_svc.domain.mail_content import PasswordLink
from shared.contracts.http import AccountContact, DoctorRules, PatientSummary


class ContactClient(Protocol):
    """auth-, patient- and doctor-service, which own names and addresses. The methods return None when there is no such person or link."""

    async def find_account(self, account_id: UUID) -> AccountContact | None:
        """Return an account, with the email address."""

    async def find_patient(self, patient_id: UUID) -> PatientSummary | None:
        """Return a patient's name, locale and time zone."""

    async def find_doctor(self, doctor_id: UUID) -> DoctorRules | None:
        """Return a doctor's name, location and time zone."""

    async def find_password_link(self, reset_id: UUID) -> PasswordLink | None:
        """Return the link of an invitation or password reset, or None when it was used, replaced, or has expired."""
