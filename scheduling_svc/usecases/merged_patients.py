"""Making the time of a merged patient that of the patient into whom they were merged."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from scheduling_svc.ports import CalendarStore, CalendarTransaction
from scheduling_svc.usecases.reservations import log_overlap_after_merge
from shared.contracts.events import PatientMerged
from shared.kit.retry import retry_on_abort

BATCH = 100


@dataclass(frozen=True, slots=True)
class MergedPatients:
    """patient-service sends a merge before it answers the admin, so that the other patient is busy from then on; the event repeats it."""

    store: CalendarStore

    async def follow_event(self, event: PatientMerged) -> None:
        """Follow the merge that an event tells of."""
        await self.follow_merge(event.patient_id, event.into)

    @retry_on_abort
    async def follow_merge(self, patient_id: UUID, into_id: UUID) -> None:
        """Store the merge, and make all time that visits of the patient take the other patient's. A repeated call changes nothing.

        What appointment-service still sends with the old id is about the other patient from now on. Where both have a visit at the same
        time, both stay.
        """
        async with self.store.begin() as tx:
            await tx.lock(patient_id, into_id)
            current_id, target_id = await tx.find_current_patient(patient_id), await tx.find_current_patient(into_id)
            if target_id == patient_id:
                return
            if current_id == patient_id:
                await tx.insert_merged_patient(patient_id, target_id)
            await self._move_claims(tx, patient_id, target_id)

    async def _move_claims(self, tx: CalendarTransaction, patient_id: UUID, into_id: UUID) -> None:
        while claims := await tx.list_claims_of_patient(patient_id, BATCH):
            for previous in claims:
                claim = previous.change_patient(into_id)
                await tx.save_claim(claim, previous)
                await log_overlap_after_merge(tx, claim, previous)
