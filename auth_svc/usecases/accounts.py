"""Making accounts whole, changing them and finding them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from auth_svc.domain import passwords
from auth_svc.domain.accounts import Account, Status
from auth_svc.domain.refusals import EmailTaken, LastAdmin, NoSuchAccount
from auth_svc.domain.sessions import INVITED_FOR
from auth_svc.ports import Hashing, Patients, Store, Transaction
from auth_svc.usecases.endings import Endings
from auth_svc.usecases.resets import Resets
from shared.contracts.events import AccountInvited
from shared.contracts.http import CreateAccount, CreatePatient
from shared.contracts.identity import Role
from shared.contracts.refusals import Conflict, Invalid
from shared.kit.clock import Clock
from shared.kit.ids import new_id

FINISHED_AFTER = timedelta(minutes=1)
HOPELESS = (Conflict, Invalid)  # answers of the other half's owner that no repeat will change


@dataclass(frozen=True, slots=True)
class Accounts:
    store: Store
    hashing: Hashing
    patients: Patients
    resets: Resets
    endings: Endings
    now: Clock

    async def register(self, wish: CreateAccount) -> Account:
        """A patient's account with its profile. Someone who was interrupted may send the same again."""
        assert wish.password is not None
        passwords.check(wish.password, wish.email)
        standing = await self.store.account_by_email(wish.email)
        if standing is not None:
            return await self._resumed(standing, wish.password)
        return await self._opened(new_id(), wish)

    async def put(self, account_id: UUID, wish: CreateAccount) -> Account:
        """The account half of a person whom a neighbour employs or an admin adds; the same id again answers what stands."""
        if wish.password is not None:
            passwords.check(wish.password, wish.email)
        if standing := await self._standing(account_id):
            return await self.finish(standing)
        try:
            return await self._opened(account_id, wish)
        except EmailTaken:
            return await self._put_meanwhile(account_id)

    async def finish(self, account: Account) -> Account:
        """The other half, then both count; one that is whole stays as it is."""
        if account.status is not Status.PENDING:
            return account
        if account.role is Role.PATIENT:
            await self._open_profile(account)
        async with self.store.begin() as tx:
            standing = await tx.get_account(account.id)
            if standing.status is not Status.PENDING:
                return standing
            whole = standing.completed()
            await tx.save_account(whole)
            await tx.add_event(whole.changed_event(new_id(), self.now()))
            if whole.status is Status.INVITED:
                await self._invite(tx, whole)
        return whole

    async def finish_stragglers(self) -> int:
        """What a dead process or a neighbour that was away left pending. One that cannot be finished does not hold up the others."""
        done = 0
        for account in await self.store.pending_accounts(self.now() - FINISHED_AFTER, limit=50):
            try:
                await self.finish(account)
                done += 1
            except HOPELESS:
                await self._dropped(account.id)
        return done

    async def amend(self, account_id: UUID, expected: int | None, **changes: Any) -> Account:
        """Disabling or a new role ends all sessions. Someone who becomes a patient gets a profile first."""
        before = await self.finish(await self.store.account(account_id))
        before.amended(expected, **changes)
        if changes.get("role") is Role.PATIENT and before.role is not Role.PATIENT:
            await self._open_profile(before)
        async with self.store.begin() as tx:
            standing = await tx.get_account(account_id)
            amended = standing.amended(expected, **changes)
            if amended == standing:
                return standing
            if standing.is_active_admin and not amended.is_active_admin and not await tx.other_active_admins(account_id):
                raise LastAdmin
            await tx.save_account(amended)
            await tx.add_event(amended.changed_event(new_id(), self.now()))
            if (amended.role, amended.status) != (standing.role, standing.status):
                await self.endings.all_of(tx, account_id)
            await self._readdressed(tx, standing, amended)
        return amended

    async def note_doctor(self, doctor_id: UUID, full_name: str, version: int, event_id: UUID) -> None:
        await self._note_name(doctor_id, full_name, Role.DOCTOR, version, event_id)

    async def note_patient(self, patient_id: UUID, version: int, event_id: UUID) -> None:
        """Events carry no names of patients: the owner is asked."""
        await self._note_name(patient_id, await self.patients.full_name(patient_id), Role.PATIENT, version, event_id)

    async def _note_name(self, account_id: UUID, full_name: str | None, source: Role, version: int, event_id: UUID) -> None:
        """A profile's owner told of a change; its name is copied here."""
        async with self.store.begin() as tx:
            standing = await tx.find_account(account_id)
            if not await tx.mark_handled(event_id) or standing is None or full_name is None:
                return
            named = standing.named(full_name, source, version)
            if named != standing:
                await tx.save_account(named)

    async def bootstrap(self, email: str, password: str) -> None:
        """The first admin, where there is none. Two instances that start at once make one: the address is taken once."""
        if await self.store.has_admin():
            return
        wish = CreateAccount(email=email, role=Role.ADMIN, full_name="Administrator", password=password)
        try:
            await self._opened(new_id(), wish)
        except EmailTaken:
            return

    async def _opened(self, account_id: UUID, wish: CreateAccount) -> Account:
        hashed = await self.hashing.hash(wish.password) if wish.password is not None else None
        account = Account(
            account_id, wish.email, wish.full_name, wish.role, Status.PENDING, wish.locale, self.now(), hashed, wish.phone, wish.time_zone
        )
        async with self.store.begin() as tx:
            await tx.add_account(account)
        try:
            return await self.finish(account)
        except HOPELESS:
            await self._dropped(account_id)
            raise

    async def _dropped(self, account_id: UUID) -> None:
        """Both halves or neither: the other one was refused. Only a pending account goes."""
        async with self.store.begin() as tx:
            await tx.drop_account(account_id)

    async def _standing(self, account_id: UUID) -> Account | None:
        try:
            return await self.store.account(account_id)
        except NoSuchAccount:
            return None

    async def _put_meanwhile(self, account_id: UUID) -> Account:
        """Two put the same account at once: the second one meets the first one's; anything else has the address."""
        if standing := await self._standing(account_id):
            return await self.finish(standing)
        raise EmailTaken(pointer="/email")

    async def _resumed(self, standing: Account, password: str) -> Account:
        fits = await self.hashing.fits(password, standing.password_hash)
        if standing.status is not Status.PENDING or not fits:
            raise EmailTaken(pointer="/email")
        return await self.finish(standing)

    async def _open_profile(self, account: Account) -> None:
        profile = CreatePatient(full_name=account.full_name, phone=account.phone, time_zone=account.time_zone, locale=account.locale)
        await self.patients.open(account.id, profile)

    async def _readdressed(self, tx: Transaction, before: Account, after: Account) -> None:
        """Links that went to an old address, or to someone who was shut out, work no more; who is invited gets a new one."""
        if (before.email, before.status) == (after.email, after.status):
            return
        await tx.drop_resets(after.id)
        if after.status is Status.INVITED:
            await self._invite(tx, after)

    async def _invite(self, tx: Transaction, account: Account) -> None:
        reset = await self.resets.granted(tx, account.id, INVITED_FOR)
        told = AccountInvited(id=new_id(), occurred_at=self.now(), account_id=account.id, reset_id=reset.id, expires_at=reset.expires_at)
        await tx.add_event(told)
