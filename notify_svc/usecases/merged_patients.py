"""Making the visits, reminders and messages of a merged patient those of the patient into whom they were merged."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from notify_svc.domain.merged_patients import PatientMove
from notify_svc.domain.visits import Visit
from notify_svc.ports.merged_patients import PatientMoveStore, PatientMoveTransaction
from shared.contracts.events import AppointmentEvent, PatientMerged
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

VISITS_AT_ONCE, MESSAGES_AT_ONCE, MERGES_AT_ONCE = 50, 200, 100
WATCHED_FOR = timedelta(days=60)
"""For this long a job looks for events of appointments that name a merged patient. The bus and a replay deliver some of them late."""


@dataclass(frozen=True, slots=True)
class MergedRecipients:
    """Follows merges of patients. A mail about the merge itself is not sent. `forget` empties the caches."""

    store: PatientMoveStore
    forget: Callable[[PatientMerged], Coroutine[Any, Any, None]]
    now: Clock
    wake_sender: Callable[[], None]

    async def follow(self, event: PatientMerged) -> None:
        """Move what the merged patient has here. Events may be repeated and may come in any order."""
        await self.forget(event)
        move = PatientMove(event.patient_id, event.into, event.occurred_at)
        await self._record(move)
        await self._move_all(move)

    async def follow_late(self) -> int:
        """Move what was stored after the merges, because an event came late; return how many patients had something."""
        merges = await self._list_unfinished()
        for move in merges:
            await self._move_all(move)
        return len(merges)

    @retry_on_abort
    async def _list_unfinished(self) -> Sequence[PatientMove]:
        return await self.store.list_unfinished_merges(self.now() - WATCHED_FOR, MERGES_AT_ONCE)

    @retry_on_abort
    async def _record(self, move: PatientMove) -> None:
        async with self.store.begin() as tx:
            await tx.insert_merge(move)

    async def _move_all(self, merge: PatientMove) -> None:
        """Move everything in short transactions: a page of visits with all about them, then messages whose visit is not known."""
        move = await self._find_move(merge)
        while await self._move_visits(move):
            pass
        while await self._move_messages(move):
            pass
        self.wake_sender()

    @retry_on_abort
    async def _find_move(self, merge: PatientMove) -> PatientMove:
        """Return the merge with the patient who has the data now: the target may itself have been merged since."""
        return replace(merge, target_id=await self.store.find_current_patient(merge.target_id))

    @retry_on_abort
    async def _move_visits(self, move: PatientMove) -> bool:
        """Move a page of visits, and return whether there may be others."""
        async with self.store.begin() as tx:
            visits = await tx.lock_visits_of(move.source_id, VISITS_AT_ONCE)
            for visit in visits:
                await move_visit(tx, visit, move, self.now())
        return len(visits) == VISITS_AT_ONCE

    @retry_on_abort
    async def _move_messages(self, move: PatientMove) -> bool:
        """Move a page of messages, and return whether there may be others. Those that cannot be read get the new recipient only."""
        async with self.store.begin() as tx:
            messages = await tx.lock_messages_to(move.source_id, MESSAGES_AT_ONCE, None)
            related = await tx.lock_messages_about({message.subject_id for message in messages}) if messages else []
            await tx.move_messages([after for _, after in move.messages_after(related, self.now())])
            if not messages:
                await tx.move_recipient(move.source_id, move.target_id)
        return bool(messages)


async def move_visit(tx: PatientMoveTransaction, visit: Visit, move: PatientMove, now: datetime) -> None:
    """Make a locked visit, its reminders and the messages about it those of the patient into whom its own was merged."""
    messages = await tx.lock_messages_about({visit.appointment_id})
    reminders = await tx.list_reminders([visit.appointment_id])
    await tx.replace_visit(move.visit_after(visit, now))
    await tx.move_reminders(move.reminders_after(reminders, messages))
    await tx.move_messages([after for _, after in move.messages_after(messages, now)])


async def follow_amended_patient(tx: PatientMoveTransaction, visit: Visit | None, event: AppointmentEvent, now: datetime) -> None:
    """Make a locked visit that of the patient whom a newer amendment names, as `MergedRecipients` does for the event of the merge."""
    if visit is not None and visit.version < event.version and visit.patient_id != event.patient_id:
        await move_visit(tx, visit, PatientMove(visit.patient_id, event.patient_id, event.occurred_at), now)
