"""Erasing what scheduling-service has of an erased patient. Reservations have ids and times only, and stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from scheduling_svc.ports import OwnerStore
from shared.contracts.erasures import ErasureReports, StoredAnswers
from shared.contracts.events import PatientErased
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class OwnerErasure:
    """Deletes the subscription link and the holds of a patient, and stored answers to requests that name the patient."""

    store: OwnerStore
    answers: StoredAnswers
    reports: ErasureReports

    async def erase(self, event: PatientErased) -> None:
        """Delete what there is, and report it to patient-service. Raises Unavailable; a repeated event finds nothing more to delete."""
        removed = await self._delete(event.patient_id)
        await self.reports.send(event, {**removed, "stored_answers": await self._delete_answers(event.patient_id)})

    @retry_on_abort
    async def _delete(self, owner_id: UUID) -> Mapping[str, int]:
        async with self.store.begin() as tx:
            await tx.lock(owner_id)
            removed = {"calendar_links": int(await tx.delete_feed(owner_id)), "holds": await tx.delete_holds_of_owner(owner_id)}
            await tx.delete_lock(owner_id)
        return removed

    @retry_on_abort
    async def _delete_answers(self, owner_id: UUID) -> int:
        return await self.answers.delete_mentioning(owner_id)
