"""The state of the comparison with appointment-service, in SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, update

from notify_svc.repository.tables import COMPARISON, INFRASTRUCTURE
from shared.kit.sql import Database, insert_if_absent

ROW_ID = 1


@dataclass(frozen=True, slots=True)
class SqlComparisonStore:
    """Implements ComparisonStore."""

    database: Database

    async def find_compared_until(self) -> datetime | None:
        async with self.database.read() as connection:
            instant: datetime | None = await connection.scalar(select(COMPARISON.c.compared_until))
        return instant

    async def save_compared_until(self, instant: datetime) -> None:
        async with self.database.write() as connection:
            if not await insert_if_absent(connection, insert(COMPARISON).values(id=ROW_ID, compared_until=instant)):
                await connection.execute(update(COMPARISON).where(COMPARISON.c.id == ROW_ID).values(compared_until=instant))

    async def list_handled(self, event_ids: Collection[UUID]) -> set[UUID]:
        inbox = INFRASTRUCTURE.inbox
        async with self.database.read() as connection:
            return set(await connection.scalars(select(inbox.c.event_id).where(inbox.c.event_id.in_(event_ids))))
