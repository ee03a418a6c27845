"""Clients of the services that own users and appointments, as the use cases need them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol
from uuid import UUID

from pydantic import ConfigDict

from shared.contracts.appointments import AppointmentStatus
from shared.contracts.audit import AuditHeadBody, AuditHeadSignature
from shared.contracts.http import AccountSummary, Actor, CreateAccount
from shared.contracts.pages import Page
from shared.contracts.values import Instant, ReadModel


class AdminAppointment(ReadModel):
    """An appointment as appointment-service shows it to admins. Fields that are not declared are passed through."""

    model_config = ConfigDict(extra="allow")
    id: UUID
    status: AppointmentStatus
    starts_at: Instant
    version: int


class UserAccountClient(Protocol):
    """auth-service, which owns the accounts."""

    async def create(self, account_id: UUID, request: CreateAccount) -> AccountSummary:
        """Create an account and, for a patient, the profile. Repeating the call returns the existing account.

        Raises NoSuchPatient for the id of a patient who was erased.
        """

    async def get(self, account_id: UUID) -> AccountSummary:
        """Return an account. Raises NotFound."""

    async def list_accounts(self, **query: Any) -> Page[AccountSummary]:
        """Return one page of accounts; `query` has the filters, `limit` and `after` of auth-service."""

    async def update(self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID) -> AccountSummary:
        """Change fields of an account; a repetition with the same `change_id` changes nothing more.

        Raises NotFound, Stale, EmailTaken or LastAdmin.
        """


class HeadSigner(Protocol):
    """auth-service, which signs the heads of the audit trail with a key that signs nothing else."""

    async def sign(self, day: date, head: AuditHeadBody) -> AuditHeadSignature:
        """Return the signature of a day's head; repeating the call returns the first one.

        Raises AuditHeadDiffers when another head of this day was signed before, or Unavailable.
        """


class DoctorProfileClient(Protocol):
    """doctor-service, which owns the doctors' profiles."""

    async def create(self, doctor_id: UUID, request: Mapping[str, Any]) -> None:
        """Create a profile and its account. Repeating the call changes nothing."""

    async def prepare(self, doctor_id: UUID, request: Mapping[str, Any]) -> None:
        """Store a profile that stays invisible until `create` finds that the account has the role doctor. Repeating it changes nothing."""

    async def discard(self, doctor_id: UUID) -> None:
        """Delete a profile that was prepared; a confirmed one stays."""

    async def rename(self, doctor_id: UUID, full_name: str) -> None:
        """Change the name in a profile."""


class PatientNameClient(Protocol):
    """patient-service, which owns the patients' names."""

    async def rename(self, patient_id: UUID, full_name: str, by: Actor) -> None:
        """Change the name in a profile for an admin, whom the patient's access log then names."""


class AppointmentClient(Protocol):
    """appointment-service, which owns the appointments and their rules."""

    async def get(self, appointment_id: UUID) -> AdminAppointment:
        """Return an appointment. Raises NotFound."""

    async def list_appointments(self, **query: Any) -> Page[AdminAppointment]:
        """Return one page of appointments; `query` has the filters, `limit` and `after` of appointment-service."""

    async def update(
        self, appointment_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Actor, operation_id: UUID
    ) -> AdminAppointment:
        """Change an appointment for an admin; a repetition with the same `operation_id` changes nothing more.

        Raises NotFound, Stale, or what the rules of appointments and calendar refuse.
        """

    async def cancel(self, appointment_id: UUID, by: Actor, operation_id: UUID) -> None:
        """Cancel an appointment, once per `operation_id`. Raises NotFound, or Conflict when its status does not allow it."""
