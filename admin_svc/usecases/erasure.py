"""Erasing what admin-service has of an erased patient. The audit trail has ids only, and stays."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from admin_svc.ports import UserStore
from shared.contracts.erasures import ErasureReports, StoredAnswers
from shared.contracts.events import PatientErased
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class UserErasure:
    """Deletes users whose creation is not finished, and stored answers to requests that name the user."""

    store: UserStore
    answers: StoredAnswers
    reports: ErasureReports

    async def erase(self, event: PatientErased) -> None:
        """Delete what there is, and report it to patient-service. Raises Unavailable; a repeated event changes nothing more."""
        await self._delete_pending(event.patient_id)
        await self.reports.send(event, {"stored_answers": await self._delete_answers(event.patient_id)})

    @retry_on_abort
    async def _delete_pending(self, user_id: UUID) -> None:
        async with self.store.begin() as tx:
            await tx.delete_pending_user(user_id)

    @retry_on_abort
    async def _delete_answers(self, user_id: UUID) -> int:
        return await self.answers.delete_mentioning(user_id)
