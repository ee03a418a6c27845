"""Reading and changing users."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.domain.users import NewUser
from admin_svc.ports import DoctorProfileClient, PatientNameClient, UserAccountClient
from shared.contracts.http import AccountSummary, Actor
from shared.contracts.identity import Caller, Role
from shared.contracts.pages import Page
from shared.contracts.refusals import FINAL_REFUSALS, NotFound, Refusal


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

    async def update(
        self, user_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID, *, by: Caller
    ) -> AccountSummary:
        """Change email address, role, status or name. auth-service decides before anything that others can see is changed.

        A repetition with the same `change_id` completes an interrupted change. Raises NotFound, Stale, EmailTaken, LastAdmin or
        Unavailable.
        """
        if changes.get("role") is Role.DOCTOR:
            updated = await self._make_doctor(user_id, changes, expected_version, change_id, Actor.from_caller(by))
        else:
            updated = await self.accounts.update(user_id, changes, expected_version, change_id, Actor.from_caller(by))
        if "full_name" in changes:
            await self._rename_profile(updated, Actor.from_caller(by))
        return updated

    async def _make_doctor(
        self, user_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID, by: Actor
    ) -> AccountSummary:
        """Prepare an invisible profile, let auth-service decide about the role, and then confirm the profile.

        If the process stops in between, doctor-service asks auth-service for the role later and confirms or deletes the profile.
        """
        account = await self.accounts.get(user_id)
        user = NewUser(user_id, changes.get("email", account.email), Role.DOCTOR, changes.get("full_name", account.full_name))
        await self.doctors.prepare(user_id, user.doctor_request(None))
        try:
            updated = await self.accounts.update(user_id, changes, expected_version, change_id, by)
        except FINAL_REFUSALS:
            with suppress(Refusal):  # doctor-service deletes the profile itself later
                await self.doctors.discard(user_id)
            raise
        await self.doctors.create(user_id, user.doctor_request(None))
        return updated

    async def _rename_profile(self, account: AccountSummary, by: Actor) -> None:
        """Change the name in the profile, which owns it. A profile that does not exist yet is created with the name of the account."""
        with suppress(NotFound):
            if account.role is Role.DOCTOR:
                await self.doctors.rename(account.id, account.full_name)
            elif account.role is Role.PATIENT:
                await self.patients.rename(account.id, account.full_name, by)
