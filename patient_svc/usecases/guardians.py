"""What the clinic decides about who acts for whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from patient_svc.domain.access import AccessAction
from patient_svc.domain.guardians import Guardian, NoSuchGuardian, refuse_too_many_dependants, refuse_too_many_guardians
from patient_svc.domain.merges import require_current
from patient_svc.domain.patients import Patient
from patient_svc.domain.relations import RELATION_BY_ROLE
from patient_svc.ports import PatientStore, PatientTransaction
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.accesses import access_line
from shared.contracts.identity import Caller
from shared.contracts.refusals import Conflict, Invalid
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort

ENDED_AT_ONCE, MAX_BATCHES = 50, 20


@dataclass(frozen=True, slots=True)
class Guardianships:
    """The use cases of reception and admins, and the end of guardianships when dependants are of age and have an account.

    Each use case is a line of the access log, and each change a new version of the dependant's profile.
    """

    store: PatientStore
    access: AccessControl
    now: Clock

    @retry_on_abort
    async def add(self, dependant_id: UUID, guardian_id: UUID, relationship: str | None, *, by: Caller) -> Guardian:
        """Let a patient with an account act for a minor or for one without an account; for a guardian, replace the relationship.

        Raises NoSuchGuardian, NoSuchPatient, PatientWasMerged, HasAccount, TooManyGuardians or TooManyDependants.
        """
        async with self._begin_change(dependant_id, by) as tx:
            person = await tx.find_patient(guardian_id)
            if person is None or not (person.has_account and person.active) or guardian_id == dependant_id:
                raise NoSuchGuardian(pointer="/guardian_id")
            adults_born_until = self.access.policy.adults_born_until(self.now())
            patient = require_current(await tx.find_patient(dependant_id), by).require_guardians_allowed(adults_born_until)
            guardian = Guardian(person.id, person.full_name, relationship)
            listed = await tx.list_guardians(dependant_id, adults_born_until=adults_born_until)
            guardians = {existing.id: existing for existing in listed}
            if guardians.get(guardian_id) == guardian:
                await self._record(tx, patient, by, AccessAction.GUARDIANS_READ)
                return guardian
            if guardian_id in guardians:
                await tx.update_guardianship(guardian_id, dependant_id, relationship)
            else:
                refuse_too_many_guardians(len(guardians))
                refuse_too_many_dependants(await tx.count_dependants(guardian_id))
                await tx.insert_guardianship(guardian_id, dependant_id, relationship)
            await self._record_change(tx, patient, by)
        return guardian

    @retry_on_abort
    async def remove(self, dependant_id: UUID, guardian_id: UUID, *, by: Caller) -> None:
        """End a guardianship. Raises NoSuchPatient, also for a person who is not a guardian, or PatientWasMerged."""
        async with self._begin_change(dependant_id, by) as tx:
            patient = require_current(await tx.find_patient(dependant_id), by)
            if not await tx.delete_guardianship(guardian_id, dependant_id):
                raise NoSuchPatient
            await self._record_change(tx, patient, by)

    @retry_on_abort
    async def list_for_patient(self, dependant_id: UUID, *, by: Caller) -> list[Guardian]:
        """Return the guardians of a patient, who are MAX_GUARDIANS at most, by id. Raises NoSuchPatient or PatientWasMerged."""
        async with self.access.begin(by, dependant_id, AccessAction.GUARDIANS_READ) as permitted:
            adults_born_until = self.access.policy.adults_born_until(self.now())
            return await permitted.tx.list_guardians(dependant_id, adults_born_until=adults_born_until)

    async def end_outdated(self) -> int:
        """Delete the guardianships of dependants who are of age and have an account, in short transactions; return of how many."""
        count = 0
        for _ in range(MAX_BATCHES):
            ended = await self._end_some()
            count += ended
            if ended < ENDED_AT_ONCE:
                break
        return count

    @retry_on_abort
    async def _end_some(self) -> int:
        """Delete the guardianships of up to ENDED_AT_ONCE dependants. Their profiles get a new version, as when a guardian ends one."""
        adults_born_until = self.access.policy.adults_born_until(self.now())
        async with self.store.begin() as tx:
            dependant_ids = await tx.list_grown_up_dependants(adults_born_until=adults_born_until, limit=ENDED_AT_ONCE)
            for dependant_id in dependant_ids:
                patient = await tx.get_patient(dependant_id)
                if await tx.delete_ended_guardianships(dependant_id, adults_born_until=adults_born_until):
                    await self._save_next_version(tx, patient)
        return len(dependant_ids)

    @asynccontextmanager
    async def _begin_change(self, dependant_id: UUID, by: Caller) -> AsyncIterator[PatientTransaction]:
        """Yield the transaction of a change. A refusal tells the caller something of the patient, and is recorded."""
        refusals = NoSuchPatient, Conflict, Invalid
        async with self.access.record_attempt(by, dependant_id, AccessAction.PROFILE_CHANGED, *refusals), self.store.begin() as tx:
            yield tx

    async def _record_change(self, tx: PatientTransaction, patient: Patient, by: Caller) -> None:
        await self._save_next_version(tx, patient)
        await self._record(tx, patient, by, AccessAction.PROFILE_CHANGED)

    async def _save_next_version(self, tx: PatientTransaction, patient: Patient) -> None:
        updated = patient.next_version()
        await tx.update_patient(updated)
        await tx.add_event(updated.changed_event(new_id(), self.now()))

    async def _record(self, tx: PatientTransaction, patient: Patient, by: Caller, action: AccessAction) -> None:
        await tx.record_access(access_line(by, patient.id, action, RELATION_BY_ROLE[by.role], now=self.now()))
