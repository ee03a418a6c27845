"""Employing doctors, changing and finding them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from doctor_svc.domain.doctors import Doctor, Profile
from doctor_svc.domain.refusals import UnknownService
from doctor_svc.ports import Accounts, Cursor, DoctorFilter, Store, Transaction
from shared.contracts.events import AccountChanged
from shared.contracts.http import CreateAccount, DoctorRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Conflict, Invalid, Refusal
from shared.kit.clock import Clock
from shared.kit.ids import new_id

FINISHED_AFTER = timedelta(minutes=1)
UNDONE = (Conflict, Invalid)  # the account's owner will not have it


@dataclass(frozen=True, slots=True)
class Doctors:
    store: Store
    accounts: Accounts
    now: Clock

    async def engage(self, doctor: Doctor, password: str | None = None) -> Doctor:
        """A doctor with an account of the same id, or neither; without a password the doctor is invited by mail."""
        async with self.store.begin() as tx:
            known = await tx.find_doctor(doctor.id)
            if known is None:
                await _offered(tx, doctor.services)
                await tx.add_doctor(doctor, self.now())
        standing = known or doctor
        return await self.finish(standing, password) if standing.pending else standing

    async def finish(self, doctor: Doctor, password: str | None = None) -> Doctor:
        """The account, then both count. What the account's owner refuses is undone here."""
        try:
            account = CreateAccount(
                email=doctor.email, role=Role.DOCTOR, full_name=doctor.full_name, password=password, time_zone=doctor.time_zone
            )
            await self.accounts.open(doctor.id, account)
        except UNDONE:
            async with self.store.begin() as tx:
                await tx.drop_doctor(doctor.id)
            raise
        async with self.store.begin() as tx:
            standing = await tx.find_doctor(doctor.id)
            if standing is not None and not standing.pending:
                return standing
            whole = (standing or doctor).completed()
            await (tx.save_doctor(whole) if standing else tx.add_doctor(whole, self.now()))
            await tx.add_event(whole.changed(new_id(), self.now()))
        return whole

    async def finish_stragglers(self) -> int:
        """What a dead process or an absent auth-service left pending."""
        stragglers = await self.store.pending_doctors(self.now() - FINISHED_AFTER, limit=50)
        return sum([await self._finished(doctor) for doctor in stragglers])

    async def _finished(self, doctor: Doctor) -> bool:
        """Whether it waits no more; one that cannot be finished now holds up no other."""
        try:
            await self.finish(doctor)
        except Refusal as why:
            return isinstance(why, UNDONE)
        return True

    async def amend(self, doctor_id: UUID, changes: Mapping[str, Any], expected: int | None, by: Caller | None) -> Doctor:
        """Admins change all, doctors their own profile; None: a service that checked already."""
        async with self.store.begin() as tx:
            doctor = await tx.get_doctor(doctor_id)
            amended = doctor.amended(changes, expected, by)
            if amended != doctor:
                await _offered(tx, set(amended.services) - set(doctor.services))
                await tx.save_doctor(amended)
                await tx.add_event(amended.changed(new_id(), self.now()))
        return amended

    async def note_account(self, event: AccountChanged) -> None:
        """A disabled account, or one of another role, sees no patients."""
        async with self.store.begin() as tx:
            doctor = await tx.find_doctor(event.account_id)
            if not await tx.mark_handled(event.id) or doctor is None:
                return
            known = doctor.with_account(event.role, event.status, event.version)
            if known != doctor:
                await tx.save_doctor(known)
            if known.version != doctor.version and not known.pending:
                await tx.add_event(known.changed(new_id(), self.now()))

    async def find(self, doctor_id: UUID, by: Caller | None) -> Doctor:
        return (await self.store.doctor(doctor_id)).shown_to(by)

    async def browse(self, wanted: DoctorFilter, limit: int, after: Cursor) -> list[Profile]:
        """Active ones by name; one more than `limit`, if there is."""
        return await self.store.doctors(wanted, limit=limit + 1, after=after)

    async def rules(self, doctor_id: UUID) -> DoctorRules:
        return (await self.store.doctor(doctor_id)).rules()

    async def all_rules(self, limit: int, after: Cursor) -> list[DoctorRules]:
        """Of active and other doctors, by id; one more than `limit`, if there is."""
        return [doctor.rules() for doctor in await self.store.all_doctors(limit=limit + 1, after=after)]


async def _offered(tx: Transaction, services: Iterable[UUID]) -> None:
    wanted = set(services)
    unknown = sorted(map(str, wanted - await tx.known_services(wanted))) if wanted else []
    if unknown:
        raise UnknownService(pointer="/services", unknown=unknown)
