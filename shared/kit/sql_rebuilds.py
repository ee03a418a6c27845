"""Read models in SQL: rows of which the newest version counts, and the rebuilds of such a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Index, Integer, MetaData, Select, Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.kit.outbox import SqlTransaction
from shared.kit.rebuilds import ReadModelRebuild, RebuildPhase
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database, Id, UtcDateTime, binary_string, insert_if_absent


def rebuilds_table(name: str, metadata: MetaData) -> Table:
    """Add the table of the rebuilds of a read model to the metadata of a service, and return it."""
    return Table(
        name,
        metadata,
        Column("id", Id, primary_key=True),
        Column("requested_at", UtcDateTime, nullable=False),
        Column("started_at", UtcDateTime),
        Column("phase", binary_string(16), nullable=False),
        Column("cursor", binary_string(200)),
        Column("read_count", Integer, nullable=False),
        Column("removed_count", Integer, nullable=False),
        Column("finished_at", UtcDateTime),
        Column("steps", Integer, nullable=False),
        Index(f"{name}_by_state", "finished_at", "requested_at", "id"),
    )


@dataclass(frozen=True)
class ReadModelTable:
    """The table of a read model. It has the columns `key` (an id), `version` and `stored_at`: when the row was written last, or when a
    rebuild has seen its record; null in rows of releases without rebuilds."""

    table: Table
    key: str
    rebuilds: Table

    async def save_row(self, connection: AsyncConnection, row: Mapping[str, Any]) -> None:
        """Store a row unless a newer version of it is stored already.

        While a rebuild runs, only a version that was stored since its start counts: one from before may be wrong.
        """
        columns = self.table.c
        if await insert_if_absent(connection, insert(self.table), row):
            return
        is_same, is_older = columns[self.key] == row[self.key], columns.version < row["version"]
        updated = (await connection.execute(update(self.table).where(is_same, is_older).values(row))).rowcount
        if not updated and (started_at := await connection.scalar(self._select_rebuild_start())):
            is_doubtful = is_older | self.is_stored_before(started_at)
            await connection.execute(update(self.table).where(is_same, is_doubtful).values(row))

    async def save_rows(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], rebuild_started_at: datetime) -> None:
        """Store some rows as the owner lists them; a newer version stays if it was stored since the rebuild started."""
        columns = self.table.c
        listed = columns[self.key].in_([row[self.key] for row in rows])
        is_before_rebuild = self.is_stored_before(rebuild_started_at).label("is_before_rebuild")
        stored_versions = select(columns[self.key].label("key"), columns.version, is_before_rebuild).where(listed).with_for_update()
        stored = {row.key: row for row in await connection.execute(stored_versions)}
        added = [row for row in rows if row[self.key] not in stored]
        if added and not await insert_if_absent(connection, insert(self.table), added):
            raise TransactionAborted  # an event has inserted one of them meanwhile
        for row in rows:
            before = stored.get(row[self.key])
            if before is not None and (before.version <= row["version"] or before.is_before_rebuild):
                await connection.execute(update(self.table).where(columns[self.key] == row[self.key]).values(row))
        await connection.execute(update(self.table).where(listed).values(stored_at=rows[0]["stored_at"]))

    async def delete_rows(self, connection: AsyncConnection, ids: Collection[UUID], stored_before: datetime) -> int:
        """Delete rows that were stored before an instant; return how many."""
        deleted = delete(self.table).where(self.table.c[self.key].in_(ids), self.is_stored_before(stored_before))
        return (await connection.execute(deleted)).rowcount

    def ids_stored_before(self, instant: datetime, limit: int, after: UUID | None) -> Select[tuple[UUID]]:
        """Return the query of ids, in order, of rows that were stored before an instant."""
        key = self.table.c[self.key]
        query = select(key).where(self.is_stored_before(instant)).order_by(key).limit(limit)
        return query.where(key > after) if after is not None else query

    def is_stored_before(self, instant: datetime) -> ColumnElement[bool]:
        """Return the condition that a row was stored before an instant."""
        return self.table.c.stored_at.is_(None) | (self.table.c.stored_at < instant)

    def _select_rebuild_start(self) -> Select[Any]:
        return select(func.max(self.rebuilds.c.started_at)).where(self.rebuilds.c.finished_at.is_(None))


class RebuildWrites(SqlTransaction):
    """The part of a service's transaction that writes the rebuilds of its read model."""

    read_model: ClassVar[ReadModelTable]

    async def insert_rebuild(self, rebuild: ReadModelRebuild) -> None:
        await self.connection.execute(insert(self.read_model.rebuilds).values(asdict(rebuild)))

    async def update_rebuild(self, before: ReadModelRebuild, after: ReadModelRebuild) -> bool:
        rebuilds = self.read_model.rebuilds
        is_unchanged = rebuilds.c.id == before.id, rebuilds.c.steps == before.steps
        return bool((await self.connection.execute(update(rebuilds).where(*is_unchanged).values(asdict(after)))).rowcount)

    async def delete_rows(self, ids: Collection[UUID], *, stored_before: datetime) -> int:
        return await self.read_model.delete_rows(self.connection, ids, stored_before)


class RebuildReads:
    """The part of a service's store that reads the rebuilds of its read model."""

    __slots__ = ()
    read_model: ClassVar[ReadModelTable]
    database: Database

    async def list_ids_stored_before(self, instant: datetime, *, limit: int, after: UUID | None) -> list[UUID]:
        async with self.database.read() as connection:
            return list(await connection.scalars(self.read_model.ids_stored_before(instant, limit, after)))

    async def find_open_rebuild(self) -> ReadModelRebuild | None:
        rebuilds = self.read_model.rebuilds
        query = select(rebuilds).where(rebuilds.c.finished_at.is_(None)).order_by(rebuilds.c.requested_at, rebuilds.c.id).limit(1)
        return await self._find(query)

    async def find_rebuild(self, rebuild_id: UUID) -> ReadModelRebuild | None:
        rebuilds = self.read_model.rebuilds
        return await self._find(select(rebuilds).where(rebuilds.c.id == rebuild_id))

    async def _find(self, query: Select[Any]) -> ReadModelRebuild | None:
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return ReadModelRebuild(**{**row._mapping, "phase": RebuildPhase(row.phase)}) if row else None
