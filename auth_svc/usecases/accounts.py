"""Reading and changing accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from auth_svc.domain.accounts import Account, AccountStatus, PendingProfile, PreviousFields
from auth_svc.domain.sessions import Session
from auth_svc.ports import AuthStore, AuthTransaction, PatientProfileClient
from auth_svc.usecases.create_account import AccountCreation
from auth_svc.usecases.password_resets import PasswordResets
from auth_svc.usecases.session_revocation import SessionRevocation
from shared.contracts.clinic import CurrentClinic
from shared.contracts.contacts import AccountContacts, FoundAccounts
from shared.contracts.events import AuditRecorded, DoctorChanged, PatientChanged
from shared.contracts.http import AccountContact, Actor
from shared.contracts.identity import Role, Service, system_caller
from shared.contracts.relayed_refusals import LastAdmin
from shared.kit.audit import audit_event, changed_states
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort, retry_transaction

MAX_EXPORTED_SESSIONS = 200
"""More than an account has: live ones are limited, and others are deleted after a day."""


@dataclass(frozen=True, slots=True)
class ExportedAccount:
    """An account, and its sessions with those that ended within the last day, the one that was used last first."""

    account: Account
    sessions: list[Session]


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts after their creation. Patients' and doctors' names and patients' languages are copies: their profiles own them.

    Accounts are returned with the locale in effect: that of the clinic for people who gave none.
    """

    store: AuthStore
    profiles: PatientProfileClient
    creation: AccountCreation
    resets: PasswordResets
    revocation: SessionRevocation
    now: Clock
    clinic: CurrentClinic

    @retry_on_abort
    async def get(self, account_id: UUID) -> Account:
        """Return an account. Raises NoSuchAccount."""
        return (await self.store.get_account(account_id)).in_clinic(self.clinic().locale)

    @retry_on_abort
    async def export(self, account_id: UUID) -> ExportedAccount:
        """Return what there is of an account and its sessions, for the person whose account it is. Raises NoSuchAccount."""
        account = await self.get(account_id)
        return ExportedAccount(account, await self.store.list_sessions(account_id, MAX_EXPORTED_SESSIONS))

    @retry_on_abort
    async def list_contacts(self, ids: Collection[UUID]) -> AccountContacts:
        """Return the accounts among `ids` that exist, pending and disabled ones too."""
        accounts = await self.store.list_accounts_by_id(ids)
        contacts = [AccountContact.model_validate(account.in_clinic(self.clinic().locale)) for account in accounts]
        return AccountContacts(items=contacts)

    @retry_on_abort
    async def find_by_email(self, emails: Collection[str]) -> FoundAccounts:
        """Return the ids of the accounts with one of these normalized addresses, without pending ones, in the order of the addresses."""
        accounts = [await self.store.find_account_by_email(email) for email in dict.fromkeys(emails)]
        found = [account.id for account in accounts if account is not None and account.status is not AccountStatus.PENDING]
        return FoundAccounts(account_ids=found)

    @retry_on_abort
    async def list_accounts(
        self, *, role: Role | None, status: str | None, text: str | None, limit: int, after: tuple[str, ...] | None
    ) -> list[Account]:
        """Return accounts that are not pending in the order of their email addresses, after the address in `after`."""
        accounts = await self.store.list_accounts(role=role, status=status, text=text, limit=limit, after=after)
        return [account.in_clinic(self.clinic().locale) for account in accounts]

    async def update(
        self,
        account_id: UUID,
        changes: Mapping[str, Any],
        expected_version: int | None,
        change_id: UUID | None = None,
        *,
        by: Actor | None = None,
    ) -> Account:
        """Change email address, name, role or status. A new role or status ends all sessions; a new patient gets a profile.

        This service decides before patient-service is called. A repetition with the same `change_id` finds the change made, and completes
        it. `by` is the admin; None for an admin-service of an earlier release.

        Raises NoSuchAccount, Stale, EmailTaken or LastAdmin, what patient-service refuses, or Unavailable.
        """
        await self.creation.complete(await retry_transaction(lambda: self.store.get_account(account_id)))
        updated = await self._save_update(
            account_id, changes, expected_version, change_id, by or Actor.from_caller(system_caller(Service.ADMIN))
        )
        if changes.get("role") is Role.PATIENT:
            updated = await self.creation.complete_role_change(updated)
        return updated.in_clinic(self.clinic().locale)

    async def update_doctor_name(self, event: DoctorChanged) -> None:
        """Copy the name of a doctor's profile."""
        copied = {"full_name": event.rules.full_name}
        await self._copy(event, event.doctor_id, Role.DOCTOR, copied)

    async def update_from_profile(self, event: PatientChanged) -> None:
        """Copy name and language of a patient's profile. They are asked for, because events carry nothing personal."""
        profile = await self.profiles.find_profile(event.patient_id)
        copied: dict[str, str | None] = {"full_name": profile.full_name} if profile else {}
        if profile and "own_locale" in profile.model_fields_set:  # an older patient-service does not tell it
            copied["locale"] = profile.own_locale
        await self._copy(event, event.patient_id, Role.PATIENT, copied)

    @retry_on_abort
    async def _save_update(
        self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID | None, by: Actor
    ) -> Account:
        async with self.store.begin() as tx:
            account = await tx.get_account(account_id)
            updated = account.update(changes, expected_version, change_id)
            if updated == account:
                return account
            if account.is_active_admin and not updated.is_active_admin and not await tx.count_other_active_admins(account_id):
                raise LastAdmin
            await tx.update_account(updated)
            await tx.add_event(updated.changed_event(new_id(), self.now()))
            await tx.add_event(_change_event(account, updated, by, self.now()))
            await self._write_consequences(tx, account, updated)
        return updated

    async def _write_consequences(self, tx: AuthTransaction, before: Account, after: Account) -> None:
        """Store the consequences of a change: a profile to create, ended sessions, and a new invitation."""
        if after.role is not before.role:
            await tx.delete_pending_profile(after.id)
            if after.role is Role.PATIENT:
                await tx.insert_pending_profile(PendingProfile(after.id, PreviousFields.of(before)), self.now())
        if (after.role, after.status) != (before.role, before.status):
            await self.revocation.revoke_all(tx, after.id)
        if (after.email, after.status) != (before.email, before.status):
            await tx.delete_password_resets(after.id)  # they were mailed to an old address or to someone who is disabled now
            if after.status is AccountStatus.INVITED:
                await self.resets.invite(tx, after)

    @retry_on_abort
    async def _copy(
        self, event: DoctorChanged | PatientChanged, account_id: UUID, profile_role: Role, copied: Mapping[str, str | None]
    ) -> None:
        """Give an account the fields of a profile; none if the profile does not exist."""
        async with self.store.begin() as tx:
            account = await tx.find_account(account_id)
            if not await tx.mark_handled(event.id) or account is None or not copied:
                return
            updated = account.copy_profile(copied, profile_role, event.version)
            if updated != account:
                await tx.update_account(updated)


def _change_event(account: Account, updated: Account, by: Actor, at: datetime) -> AuditRecorded:
    before, after = changed_states(account.audited_state, account.audited_changes(updated))
    return audit_event(Service.AUTH, by, "account.change", account.id, at=at, before=before, after=after)
