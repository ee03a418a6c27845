"""Reading and changing users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.domain import NewUser
from admin_svc.ports import DoctorProfileClient, PatientNameClient, UserAccountClient
from shared.contracts.http import AccountSummary
from shared.contracts.identity import Role
from shared.contracts.pages import Page
from shared.contracts.refusals import require_version


@dataclass(frozen=True, slots=True)
class Users:
    """Accounts belong to auth-service. Names of doctors and patients belong to their profiles; auth-service has a copy."""

    accounts: UserAccountClient
    doctors: DoctorProfileClient
    patients: PatientNameClient

    async def get(self, user_id: UUID) -> AccountSummary:
        """Return one user. Raises NotFound."""
        return await self.accounts.get(user_id)

    async def list_users(self, **query: Any) -> Page[AccountSummary]:
        """Return one page of the users that a query of auth-service selects."""
        return await self.accounts.list_accounts(**query)

    async def update(self, user_id: UUID, changes: Mapping[str, Any], expected_version: int | None) -> AccountSummary:
        """Change email address, role, status or name. The account is changed before the name, because auth-service may refuse.

        A user who becomes a doctor gets a doctor's profile first. Raises NotFound, Stale, EmailTaken, LastAdmin or Unavailable.
        """
        account = await self.accounts.get(user_id)
        require_version(account.version, expected_version)
        full_name = changes.get("full_name", account.full_name)
        account_changes = {field: value for field, value in changes.items() if field != "full_name"}
        if changes.get("role") is Role.DOCTOR and account.role is not Role.DOCTOR:
            await self.doctors.create(user_id, NewUser(user_id, account.email, Role.DOCTOR, full_name).doctor_request(None))
        if account_changes:
            account = await self.accounts.update(user_id, account_changes, expected_version)
        return account if full_name == account.full_name else await self._rename(account, full_name)

    async def _rename(self, account: AccountSummary, full_name: str) -> AccountSummary:
        """Change the name in the profile, if there is one, and then its copy, which an event would update only later."""
        if account.role is Role.DOCTOR:
            await self.doctors.rename(account.id, full_name)
        elif account.role is Role.PATIENT:
            await self.patients.rename(account.id, full_name)
        return await self.accounts.update(account.id, {"full_name": full_name})
