"""Reading and changing accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auth_svc.domain.accounts import Account, AccountStatus
from auth_svc.ports import AuthStore, PatientProfileClient
from auth_svc.usecases.create_account import AccountCreation
from auth_svc.usecases.password_resets import PasswordResets
from auth_svc.usecases.session_revocation import SessionRevocation
from shared.contracts.events import DoctorChanged, PatientChanged
from shared.contracts.identity import Role
from shared.contracts.relayed_refusals import LastAdmin
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts after their creation. Patients' and doctors' names are copies: their profiles own them."""

    store: AuthStore
    profiles: PatientProfileClient
    creation: AccountCreation
    resets: PasswordResets
    revocation: SessionRevocation
    now: Clock

    @retry_on_abort
    async def get(self, account_id: UUID) -> Account:
        """Return an account. Raises NoSuchAccount."""
        return await self.store.get_account(account_id)

    @retry_on_abort
    async def list_accounts(
        self, *, role: Role | None, status: str | None, text: str | None, limit: int, after: tuple[str, ...] | None
    ) -> list[Account]:
        """Return accounts that are not pending in the order of their email addresses, after the address in `after`."""
        return await self.store.list_accounts(role=role, status=status, text=text, limit=limit, after=after)

    async def update(self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None) -> Account:
        """Change email address, name, role or status. A new role or status ends all sessions; a new patient gets a profile first.

        Raises NoSuchAccount, Stale, EmailTaken or LastAdmin, what patient-service refuses, or Unavailable.
        """
        account = await self.creation.complete(await self.get(account_id))
        account.update(changes, expected_version)  # raises Stale before patient-service is called
        if changes.get("role") is Role.PATIENT and account.role is not Role.PATIENT:
            await self.creation.create_profile(account)
        return await self._save_update(account_id, changes, expected_version)

    async def update_doctor_name(self, event: DoctorChanged) -> None:
        """Copy the name of a doctor's profile."""
        await self._update_name(event, event.doctor_id, Role.DOCTOR, event.rules.full_name)

    async def update_patient_name(self, event: PatientChanged) -> None:
        """Copy the name of a patient's profile. It is asked for, because events carry no names of patients."""
        await self._update_name(event, event.patient_id, Role.PATIENT, await self.profiles.find_full_name(event.patient_id))

    @retry_on_abort
    async def _save_update(self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None) -> Account:
        async with self.store.begin() as tx:
            account = await tx.get_account(account_id)
            updated = account.update(changes, expected_version)
            if updated == account:
                return account
            if account.is_active_admin and not updated.is_active_admin and not await tx.count_other_active_admins(account_id):
                raise LastAdmin
            await tx.update_account(updated)
            await tx.add_event(updated.changed_event(new_id(), self.now()))
            if (updated.role, updated.status) != (account.role, account.status):
                await self.revocation.revoke_all(tx, account_id)
            if (updated.email, updated.status) != (account.email, account.status):
                await tx.delete_password_resets(account_id)  # they were mailed to an old address or to someone who is disabled now
                if updated.status is AccountStatus.INVITED:
                    await self.resets.invite(tx, updated)
        return updated

    @retry_on_abort
    async def _update_name(
        self, event: DoctorChanged | PatientChanged, account_id: UUID, profile_role: Role, full_name: str | None
    ) -> None:
        async with self.store.begin() as tx:
            account = await tx.find_account(account_id)
            if not await tx.mark_handled(event.id) or account is None or full_name is None:
                return
            renamed = account.with_profile_name(full_name, profile_role, event.version)
            if renamed != account:
                await tx.update_account(renamed)
