"""Who a patient is at this moment, also after they were merged into another one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from notify_svc.ports import Contacts, KnownPatients
from notify_svc.ports.merged_patients import PatientMoveStore
from shared.contracts.contacts import PatientContact
from shared.contracts.refusals import Unavailable
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class CurrentPatients:
    """Finds patients by the ids that they have or had. A patient without a contact was merged or erased, and both are told apart here."""

    contacts: Contacts
    known: KnownPatients
    merges: PatientMoveStore

    async def find(self, patient_id: UUID) -> PatientContact | None:
        """Return the patient, or the one into whom they were merged; None for a patient who was erased or never existed.

        Raises Unavailable while the patient is merged and this service has not followed the merge, and the refusals of patient-service.
        """
        patient = (await self.contacts.find_patients({patient_id})).get(patient_id)
        if patient is not None:
            return patient
        current_id = await self._find_current_id(patient_id)
        patient = (await self.contacts.find_patients({current_id})).get(current_id)
        if patient is None and await self.known.has_patient_or_successor(current_id):
            raise Unavailable("The patient of the message is about to become the one into whom they were merged.", retry_after=2)
        return patient

    @retry_on_abort
    async def _find_current_id(self, patient_id: UUID) -> UUID:
        return await self.merges.find_current_patient(patient_id)
