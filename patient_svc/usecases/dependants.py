"""Adding dependants, and ending a guardianship."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from patient_svc.domain.guardians import Dependant, refuse_too_many_dependants
from patient_svc.domain.patients import ClinicDefaults, Patient
from patient_svc.ports import PatientStore, SortKey
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Dependants:
    """The use cases of guardians. A dependant is a patient without an account."""

    store: PatientStore
    now: Clock
    clinic: ClinicDefaults

    @retry_on_abort
    async def create(self, guardian_id: UUID, dependant: Dependant) -> Dependant:
        """Create a patient for whom the guardian acts, or return the one who has this id already.

        Raises NoSuchPatient for a guardian without a profile, TooManyDependants or BornLater.
        """
        async with self.store.begin() as tx:
            guardian = await tx.get_patient(guardian_id)
            if await tx.find_patient(dependant.id):
                return dependant
            refuse_too_many_dependants(await tx.count_dependants(guardian_id))
            patient = Patient.of_dependant(dependant, guardian).check_born_on(self.now(), self.clinic)
            await tx.insert_patient(patient)
            await tx.insert_guardianship(guardian_id, dependant)
            await tx.add_event(patient.changed_event(new_id(), self.now()))
        return dependant

    @retry_on_abort
    async def get(self, guardian_id: UUID, dependant_id: UUID) -> Dependant:
        """Return a dependant of the guardian. Raises NoSuchPatient."""
        return await self.store.get_dependant(guardian_id, dependant_id)

    @retry_on_abort
    async def list_for_guardian(self, guardian_id: UUID, limit: int, after: SortKey) -> list[Dependant]:
        """Return up to `limit` + 1 dependants of a guardian, by id."""
        return await self.store.list_dependants(guardian_id, limit=limit + 1, after=after)

    @retry_on_abort
    async def end_guardianship(self, guardian_id: UUID, dependant_id: UUID) -> None:
        """Stop acting for a dependant, whose profile stays and gets a new version.

        Raises NoSuchPatient for a person who is not a dependant of the guardian.
        """
        async with self.store.begin() as tx:
            patient = await tx.get_patient(dependant_id)
            if not await tx.delete_guardianship(guardian_id, dependant_id):
                raise NoSuchPatient
            updated = patient.next_version()
            await tx.update_patient(updated)
            await tx.add_event(updated.changed_event(new_id(), self.now()))
