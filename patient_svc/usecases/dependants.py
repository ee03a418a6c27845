"""Adding dependants, and ending a guardianship."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from patient_svc.domain.access import AccessAction, Relation
from patient_svc.domain.guardians import MAX_DEPENDANTS, Dependant, refuse_too_many_dependants
from patient_svc.domain.patients import Patient
from patient_svc.ports import PatientStore, PatientTransaction, SortKey
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.accesses import access_line, record_listing
from shared.contracts.clinic import CurrentClinic
from shared.contracts.http import DependantIds
from shared.contracts.identity import Caller
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Dependants:
    """The use cases of guardians. A dependant is a patient without an account, or with one but not of age.

    A guardianship ends by itself when the dependant is an adult with an account.
    """

    store: PatientStore
    now: Clock
    clinic: CurrentClinic
    access: AccessControl

    @retry_on_abort
    async def create(self, caller: Caller, dependant: Dependant) -> Dependant:
        """Create a patient for whom the guardian acts, or return the one who has this id already, or into whom that one was merged.

        Raises NoSuchPatient for a guardian without a profile, or one who no longer acts for the patient, or when the patient was erased,
        TooManyDependants or BornLater.
        """
        async with self.store.begin() as tx:
            guardian = await tx.get_patient(caller.id)
            if (created := await tx.find_patient(dependant.id)) is not None:
                stored = await tx.get_dependant(caller.id, created.merged_into or dependant.id)  # refuses a former guardian
                await self._record(tx, caller, stored.id, AccessAction.DEPENDANT_READ)
                return stored
            if await tx.is_erased(dependant.id):
                raise NoSuchPatient
            refuse_too_many_dependants(await tx.count_dependants(caller.id))
            patient = Patient.of_dependant(dependant, guardian).check_born_on(self.now(), self.clinic())
            await tx.insert_patient(patient)
            await tx.insert_guardianship(caller.id, dependant.id, dependant.relationship)
            await tx.add_event(patient.changed_event(new_id(), self.now()))
            await self._record(tx, caller, dependant.id, AccessAction.PROFILE_CREATED)
        return dependant

    @retry_on_abort
    async def check_repeated(self, caller: Caller, dependant_id: UUID) -> None:
        """Raise NoSuchPatient if the caller no longer acts for the dependant whom a request created before; it is recorded as `get` does.

        For a dependant who was merged into another patient, acting for that one counts. Where the request was refused, no such dependant
        exists, and nothing is raised.
        """
        async with self.store.begin() as tx:
            created = await tx.find_patient(dependant_id)
        if created is not None:
            await self.get(caller, created.merged_into or dependant_id)

    @retry_on_abort
    async def get(self, caller: Caller, dependant_id: UUID) -> Dependant:
        """Return a dependant of the guardian who calls, and record that they read it. Raises NoSuchPatient."""
        async with self.access.begin(caller, dependant_id, AccessAction.DEPENDANT_READ) as permitted:
            return await permitted.tx.get_dependant(caller.id, dependant_id)

    @retry_on_abort
    async def list_for_guardian(self, caller: Caller, limit: int, after: SortKey) -> list[Dependant]:
        """Return up to `limit` + 1 dependants of the guardian who calls, by id, and record that they read those on the page."""
        async with self.store.begin() as tx:
            dependants = await tx.list_dependants(caller.id, adults_born_until=self._adults_born_until, limit=limit + 1, after=after)
            shown = [dependant.id for dependant in dependants[:limit]]
            await record_listing(tx, caller, shown, AccessAction.DEPENDANT_READ, Relation.GUARDIAN, now=self.now())
        return dependants

    @retry_on_abort
    async def list_ids(self, guardian_id: UUID) -> DependantIds:
        """Return all patients for whom a guardian may book at this moment."""
        dependants = await self.store.list_dependants(
            guardian_id, adults_born_until=self._adults_born_until, limit=MAX_DEPENDANTS, after=None
        )
        return DependantIds(ids=[dependant.id for dependant in dependants])

    async def end_guardianship(self, caller: Caller, dependant_id: UUID) -> None:
        """Stop acting for a dependant, whose profile stays and gets a new version.

        Raises NoSuchPatient for a person who is not a dependant of the guardian; that is recorded, too.
        """
        try:
            await self._end_guardianship(caller, dependant_id)
        except NoSuchPatient:
            await self.access.record_refusal(caller, dependant_id, AccessAction.PROFILE_CHANGED)
            raise

    @retry_on_abort
    async def _end_guardianship(self, caller: Caller, dependant_id: UUID) -> None:
        async with self.store.begin() as tx:
            patient = await tx.get_patient(dependant_id)
            if not await tx.delete_guardianship(caller.id, dependant_id):
                raise NoSuchPatient
            updated = patient.next_version()
            await tx.update_patient(updated)
            await tx.add_event(updated.changed_event(new_id(), self.now()))
            await self._record(tx, caller, dependant_id, AccessAction.PROFILE_CHANGED)

    async def _record(self, tx: PatientTransaction, caller: Caller, dependant_id: UUID, action: AccessAction) -> None:
        await tx.record_access(access_line(caller, dependant_id, action, Relation.GUARDIAN, now=self.now()))

    @property
    def _adults_born_until(self) -> date:
        return self.access.policy.adults_born_until(self.now())
