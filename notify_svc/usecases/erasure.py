"""Erasing what notification-service has of an erased patient. Messages have ids, times and codes, and no name or address; those that staff
wrote have a text."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_svc.ports.erasure import RecipientStore
from shared.contracts.erasures import ErasureReports, StoredAnswers
from shared.contracts.events import PatientErased
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

BATCH = 200


@dataclass(frozen=True, slots=True)
class RecipientErasure:
    """Stops the messages that wait, and removes details of problems, which may have an address. `forget` empties the caches."""

    store: RecipientStore
    forget: Callable[[PatientErased], Coroutine[Any, Any, None]]
    answers: StoredAnswers
    reports: ErasureReports
    now: Clock

    async def erase(self, event: PatientErased) -> None:
        """Erase what there is, and report it to patient-service. Raises Unavailable; a repeated event changes nothing more."""
        await self.forget(event)
        changed, after = 0, None
        while True:
            count, after = await self._erase_page(event.patient_id, after)
            changed += count
            if after is None:
                break
        changed += await self._erase_texts(event.patient_id)
        await self.reports.send(event, {"messages": changed, "stored_answers": await self._delete_answers(event.patient_id)})

    @retry_on_abort
    async def _erase_page(self, recipient_id: UUID, after: UUID | None) -> tuple[int, UUID | None]:
        """Return how many messages of a page have changed, and the last one if there may be others."""
        async with self.store.begin() as tx:
            messages = await tx.lock_messages_to(recipient_id, BATCH, after)
            erased = [(message, message.erase(self.now())) for message in messages]
            changes = [(before, changed) for before, changed in erased if changed != before]
            await tx.update_messages(changes)
        return len(changes), messages[-1].id if len(messages) == BATCH else None

    @retry_on_abort
    async def _erase_texts(self, recipient_id: UUID) -> int:
        async with self.store.begin() as tx:
            return await tx.erase_texts_to(recipient_id)

    @retry_on_abort
    async def _delete_answers(self, recipient_id: UUID) -> int:
        return await self.answers.delete_mentioning(recipient_id)
