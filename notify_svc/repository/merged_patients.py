"""Patients who were merged into others, in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.domain.merged_patients import PatientMove, ReminderMove
from notify_svc.domain.messages import Message
from notify_svc.domain.visits import Visit
from notify_svc.repository.reminders import row_of_reminder, visit_from_row
from notify_svc.repository.tables import MERGED_PATIENTS, MESSAGES, REMINDERS, VISITS
from shared.kit.clock import Clock
from shared.kit.sql import Database, insert_if_absent

MOVED_FIELDS = ("recipient_id", "facts", "status", "due_at", "handed_over", "problem", "attempts_before_resend")
"""The fields of a message that a merge can change."""
MOVE_MESSAGE = (
    update(MESSAGES)
    .where(MESSAGES.c.id == bindparam("message_id"))
    .values({name: bindparam(f"new_{name}", type_=MESSAGES.c[name].type) for name in MOVED_FIELDS})
)
HAS_VISITS = exists().where(VISITS.c.patient_id == MERGED_PATIENTS.c.patient_id)
HAS_MESSAGES = exists().where(MESSAGES.c.recipient_id == MERGED_PATIENTS.c.patient_id)
LONGEST_CHAIN = 100


class PatientMoveWriter:
    """Makes the data of a patient those of another one, on one connection."""

    connection: AsyncConnection
    now: Clock

    async def insert_merge(self, move: PatientMove) -> None:
        row = {"patient_id": move.source_id, "into_id": move.target_id, "merged_at": move.merged_at, "recorded_at": self.now()}
        await insert_if_absent(self.connection, insert(MERGED_PATIENTS).values(row))

    async def lock_visits_of(self, patient_id: UUID, limit: int) -> Sequence[Visit]:
        query = select(VISITS).where(VISITS.c.patient_id == patient_id).order_by(VISITS.c.starts_at, VISITS.c.appointment_id).limit(limit)
        return [visit_from_row(row) for row in await self.connection.execute(query.with_for_update())]

    async def move_reminders(self, moves: Iterable[ReminderMove]) -> None:
        for move in moves:
            await self.connection.execute(delete(REMINDERS).where(REMINDERS.c.id.in_([*move.removed_ids, move.stored.id])))
            await self.connection.execute(insert(REMINDERS).values(row_of_reminder(move.stored)))

    async def move_messages(self, messages: Sequence[Message]) -> None:
        if messages:
            await self.connection.execute(MOVE_MESSAGE, list(map(_parameters_of, messages)))

    async def move_recipient(self, source_id: UUID, target_id: UUID) -> int:
        moved = update(MESSAGES).where(MESSAGES.c.recipient_id == source_id).values(recipient_id=target_id)
        return (await self.connection.execute(moved)).rowcount


class PatientMoveReader:
    """Reads which patients were merged, each method in a snapshot of its own."""

    database: Database

    async def find_current_patient(self, patient_id: UUID) -> UUID:
        async with self.database.read() as connection:
            for _ in range(LONGEST_CHAIN):
                query = select(MERGED_PATIENTS.c.into_id).where(MERGED_PATIENTS.c.patient_id == patient_id)
                successor_id = await connection.scalar(query)
                if successor_id is None:
                    break
                patient_id = successor_id
        return patient_id

    async def list_unfinished_merges(self, recorded_since: datetime, limit: int) -> Sequence[PatientMove]:
        is_recent = MERGED_PATIENTS.c.recorded_at >= recorded_since
        query = select(MERGED_PATIENTS).where(is_recent, or_(HAS_VISITS, HAS_MESSAGES)).order_by(MERGED_PATIENTS.c.recorded_at).limit(limit)
        async with self.database.read() as connection:
            return [PatientMove(row.patient_id, row.into_id, row.merged_at) for row in await connection.execute(query)]


def _parameters_of(message: Message) -> dict[str, Any]:
    return {"message_id": message.id} | {f"new_{name}": getattr(message, name) for name in MOVED_FIELDS}
