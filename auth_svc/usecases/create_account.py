"""Creating accounts together with patients' profiles: in the end both exist, or neither."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from auth_svc.domain.accounts import Account, AccountStatus, PendingProfile
from auth_svc.domain.passwords import check_password
from auth_svc.ports import AuthStore, PasswordHasher, PatientProfileClient
from auth_svc.usecases.login_attempts import LoginAttempt, LoginAttempts
from auth_svc.usecases.password_resets import PasswordResets
from shared.contracts.clinic import CurrentClinic
from shared.contracts.events import AuditRecorded
from shared.contracts.http import Actor, CreateAccount, CreatePatient
from shared.contracts.identity import Role, Service, system_caller
from shared.contracts.refusals import FINAL_REFUSALS, Invalid, Refusal
from shared.contracts.relayed_refusals import EmailTaken, NoSuchPatient
from shared.contracts.texts import name_on_one_line
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort, retry_transaction

MAX_PENDING_AT_ONCE = 50
PROFILE_REFUSED = (*FINAL_REFUSALS, NoSuchPatient)
"""What patient-service refuses for good. It answers NoSuchPatient for the id of a patient who was erased."""


@dataclass(frozen=True, slots=True)
class AccountCreation:
    """An account is stored as pending, then the patient's profile is created under the same id, then the account becomes active or invited.

    The call to patient-service lies between two transactions and may be repeated. What a crash or an outage leaves pending is completed by
    the job, or earlier when the owner registers again or signs in. People who gave no locale have that of the clinic.
    """

    store: AuthStore
    hasher: PasswordHasher
    attempts: LoginAttempts
    profiles: PatientProfileClient
    resets: PasswordResets
    now: Clock
    clinic: CurrentClinic

    async def register(self, request: CreateAccount, network: str) -> Account:
        """Create a patient's account and profile. Repeating the request completes an account that is still pending.

        `network` counts as the caller's address. Raises PasswordTooWeak or EmailTaken, TooManyAttempts for too many wrong passwords of a
        pending account, what patient-service refuses, or Unavailable.
        """
        assert request.password is not None
        check_password(request.password, request.email)
        account = await retry_transaction(lambda: self.store.find_account_by_email(request.email))
        if account is None:
            return await self._create(new_id(), request)
        if account.status is not AccountStatus.PENDING or not await self._is_password_of(account, request.password, network):
            raise EmailTaken(pointer="/email")
        try:
            return await self.complete(account)
        except NoSuchPatient:  # the account had the id of somebody who was erased, and is deleted
            return await self._create(new_id(), request)

    async def create(self, account_id: UUID, request: CreateAccount) -> Account:
        """Create the account of a person for another service, or return the account that has this id already.

        Without a password the person is invited by mail. Raises PasswordTooWeak or EmailTaken, what patient-service refuses, or
        Unavailable.
        """
        if request.password is not None:
            check_password(request.password, request.email)
        return (await self._create_or_complete(account_id, request)).in_clinic(self.clinic().locale)

    async def complete(self, account: Account) -> Account:
        """Create the profile of a pending patient, then make the account active or invited; return any other account unchanged.

        Raises what patient-service refuses, or Unavailable. If it refuses the profile for good, the account is deleted.
        """
        if account.status is not AccountStatus.PENDING:
            return account
        try:
            if account.role is Role.PATIENT:
                await self._create_profile(account)
        except PROFILE_REFUSED:
            await self._delete_pending(account.id)
            raise
        return await self._save_completed(account.id)

    async def complete_role_change(self, account: Account) -> Account:
        """Create the profile of an account that has become a patient's, unless that has happened before.

        The role is decided before this is called. If patient-service refuses the profile for good, the account becomes what it was before,
        and the refusal is raised.
        """
        pending = await retry_transaction(lambda: self.store.find_pending_profile(account.id))
        if pending is None or pending.previous is None:
            return account
        try:
            await self._create_profile(account)
        except PROFILE_REFUSED:
            await self._undo_role_change(pending)
            raise
        await self._save_profile_created(account.id)
        return account

    async def complete_pending(self) -> int:
        """Complete accounts and profiles that a crash or an outage left pending; return how many."""
        return sum([await self._try_to_complete(pending) for pending in await self._take_due()])

    async def create_first_admin(self, email: str, password: str) -> None:
        """Create an admin if there is none. Of several instances that start at once, one succeeds, because the address is unique."""
        if await retry_transaction(self.store.has_admin):
            return
        try:
            await self._create(new_id(), CreateAccount(email=email, role=Role.ADMIN, full_name="Administrator", password=password))
        except EmailTaken:
            return

    async def _create_profile(self, account: Account) -> None:
        """Create the patient's profile of an account. Raises Invalid when patient-service could not accept what the account has."""
        try:
            profile = CreatePatient(
                full_name=name_on_one_line(account.full_name), phone=account.phone, time_zone=account.time_zone, locale=account.locale
            )
        except ValidationError as error:
            raise Invalid(f"A profile cannot have this {error.errors()[0]['loc'][0]}.") from error
        await self.profiles.create_profile(account.id, profile)

    async def _create(self, account_id: UUID, request: CreateAccount) -> Account:
        account = Account(
            id=account_id,
            email=request.email,
            full_name=request.full_name,
            role=request.role,
            status=AccountStatus.PENDING,
            locale=request.locale,
            created_at=self.now(),
            password_hash=await self.hasher.hash(request.password) if request.password is not None else None,
            phone=request.phone,
            time_zone=request.time_zone,
        )
        await self._insert(account)
        return await self.complete(account)

    async def _create_or_complete(self, account_id: UUID, request: CreateAccount) -> Account:
        if account := await self._find(account_id):
            return await self.complete(account)
        try:
            return await self._create(account_id, request)
        except EmailTaken:
            if account := await self._find(account_id):  # the same request, sent twice at the same time
                return await self.complete(account)
            raise

    async def _is_password_of(self, account: Account, password: str, network: str) -> bool:
        """Return whether the password is right; it counts as a login, so that it cannot be guessed here either."""
        attempt = LoginAttempt(account.email, account, network)
        return await self.attempts.verify(attempt, lambda: self.hasher.verify(password, account.password_hash))

    async def _try_to_complete(self, pending: PendingProfile) -> bool:
        """Return whether the account was completed. A failure is logged, so that it does not stop the others."""
        try:
            account = await self._find(pending.account_id)
            if account is not None and account.status is AccountStatus.PENDING:
                await self.complete(account)
            elif account is not None:
                await self.complete_role_change(account)
        except Refusal as refusal:
            log_event("account_still_pending", account_id=pending.account_id, code=refusal.code)
            return False
        except Exception as error:
            log_event("account_completion_failed", logging.ERROR, error=error, account_id=pending.account_id)
            return False
        return True

    @retry_on_abort
    async def _take_due(self) -> list[PendingProfile]:
        async with self.store.begin() as tx:
            return await tx.take_due_profiles(self.now(), MAX_PENDING_AT_ONCE)

    @retry_on_abort
    async def _find(self, account_id: UUID) -> Account | None:
        return await self.store.find_account(account_id)

    @retry_on_abort
    async def _insert(self, account: Account) -> None:
        async with self.store.begin() as tx:
            await tx.insert_account(account)
            await tx.insert_pending_profile(PendingProfile(account.id), self.now())

    @retry_on_abort
    async def _save_completed(self, account_id: UUID) -> Account:
        async with self.store.begin() as tx:
            account = await tx.get_account(account_id)
            if account.status is not AccountStatus.PENDING:
                return account
            completed = account.complete()
            await tx.update_account(completed)
            await tx.delete_pending_profile(account_id)
            await tx.add_event(completed.changed_event(new_id(), self.now()))
            await tx.add_event(_creation_event(completed, self.now()))
            if completed.status is AccountStatus.INVITED:
                await self.resets.invite(tx, completed)
        return completed

    @retry_on_abort
    async def _delete_pending(self, account_id: UUID) -> None:
        async with self.store.begin() as tx:
            await tx.delete_pending_account(account_id)
            await tx.delete_pending_profile(account_id)

    @retry_on_abort
    async def _save_profile_created(self, account_id: UUID) -> None:
        """Record that the profile exists, and announce the account again: the first announcement came before there was a profile."""
        async with self.store.begin() as tx:
            account = await tx.get_account(account_id)
            if await tx.delete_pending_profile(account_id):
                await tx.add_event(account.changed_event(new_id(), self.now()))

    @retry_on_abort
    async def _undo_role_change(self, pending: PendingProfile) -> None:
        """Make the account what it was before, unless it has got another role meanwhile."""
        async with self.store.begin() as tx:
            account = await tx.get_account(pending.account_id)
            if pending.previous is None or not await tx.delete_pending_profile(account.id) or account.role is not Role.PATIENT:
                return
            restored = account.undo_role_change(pending.previous)
            await tx.update_account(restored)
            await tx.add_event(restored.changed_event(new_id(), self.now()))


def _creation_event(account: Account, at: datetime) -> AuditRecorded:
    """Return the line about an account that became usable.

    The actor of a patient's own account is the patient. The admin who has another one created is reported by admin-service.
    """
    actor = account.actor if account.role is Role.PATIENT and account.password_hash else Actor.from_caller(system_caller(Service.AUTH))
    return audit_event(Service.AUTH, actor, "account.create", account.id, at=at, after=account.audited_state)
