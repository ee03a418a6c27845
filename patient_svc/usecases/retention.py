"""Erasing patients of whom nothing has changed for as long as the clinic keeps records, and deleting old visits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from patient_svc.domain.erasures import HasDependants
from patient_svc.ports.erasures import ErasureStore
from patient_svc.ports.visits import OldVisits
from patient_svc.usecases.erasures import Erasures
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.contracts.values import years_before
from shared.kit.batch_deletion import delete_in_batches
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

ERASED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class RecordRetention:
    """Erases patients whose last visit and last change are longer ago than `keep_years`.

    Those who have an active account stay, and so do their dependants.
    """

    store: ErasureStore
    erasures: Erasures
    keep_years: Callable[[], int]
    now: Clock

    async def erase_expired(self) -> int:
        """Erase up to ERASED_AT_ONCE patients, each in a transaction of its own; return how many."""
        before = years_before(self.now(), self.keep_years())
        return sum([await self._try_to_erase(patient_id, before) for patient_id in await self._list_expired(before)])

    async def _try_to_erase(self, patient_id: UUID, before: datetime) -> bool:
        """Return whether a patient was erased. One who has changed meanwhile stays, and is looked at again in the next run."""
        try:
            return await self.erasures.erase_expired(patient_id, new_id(), before)
        except (NoSuchPatient, HasDependants) as refusal:
            log_event("patient_not_erased", patient_id=str(patient_id), code=refusal.code)
            return False

    @retry_on_abort
    async def _list_expired(self, before: datetime) -> list[UUID]:
        return await self.store.list_expired_patients(before, ERASED_AT_ONCE)


@dataclass(frozen=True, slots=True)
class VisitRetention:
    """Deletes visits that ended more than `keep_years` years ago. Of a patient whose visits are deleted, nothing else changes."""

    visits: OldVisits
    keep_years: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to MAX_DELETED visits in short transactions; return how many."""
        return await delete_in_batches(self.visits.delete_ended_visits, years_before(self.now(), self.keep_years()))
