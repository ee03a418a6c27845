"""The dead letters of a service in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, insert, select, update

from shared.contracts.dead_letters import DeadLetterStatus
from shared.kit.dead_letters import DeadLetter, SortKey
from shared.kit.infrastructure_tables import InfrastructureTables
from shared.kit.keyset_pagination import rows_after
from shared.kit.sql import Database, insert_if_absent


@dataclass(frozen=True, slots=True)
class SqlDeadLetterStore:
    """Implements DeadLetterStore."""

    database: Database
    tables: InfrastructureTables

    async def insert(self, letter: DeadLetter) -> bool:
        async with self.database.write() as connection:
            return await insert_if_absent(connection, insert(self.tables.dead_letters).values(asdict(letter)))

    async def find(self, letter_id: UUID) -> DeadLetter | None:
        letters = self.tables.dead_letters
        async with self.database.read() as connection:
            row = (await connection.execute(select(letters).where(letters.c.id == letter_id))).one_or_none()
        return _letter_from_row(row) if row else None

    async def replace(self, before: DeadLetter, after: DeadLetter) -> bool:
        letters = self.tables.dead_letters
        is_unchanged = and_(letters.c.id == before.id, letters.c.status == before.status, letters.c.replays == before.replays)
        async with self.database.write() as connection:
            return bool((await connection.execute(update(letters).where(is_unchanged).values(asdict(after)))).rowcount)

    async def list_newest(self, topic: str | None, limit: int, after: SortKey | None) -> Sequence[DeadLetter]:
        letters = self.tables.dead_letters
        query = select(letters).order_by(letters.c.died_at.desc(), letters.c.id.desc()).limit(limit)
        if topic is not None:
            query = query.where(letters.c.topic == topic)
        if after is not None:
            query = query.where(rows_after((letters.c.died_at, letters.c.id), after, descending=True))
        async with self.database.read() as connection:
            return [_letter_from_row(row) for row in await connection.execute(query)]

    async def delete_replayed(self, before: datetime) -> None:
        letters = self.tables.dead_letters
        is_old = (letters.c.status == DeadLetterStatus.REPLAYED) & (letters.c.replayed_at < before)
        async with self.database.write() as connection:
            await connection.execute(delete(letters).where(is_old))


def _letter_from_row(row: Any) -> DeadLetter:
    fields = dict(row._mapping)
    return DeadLetter(**fields | {"status": DeadLetterStatus(fields["status"])})
