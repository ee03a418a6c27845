"""The job that carries out the rebuild of a read model, page by page."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.kit.clock import Clock
from shared.kit.rebuilds import MAX_CANDIDATES, ReadModelRebuild, RebuildPhase, RebuildSource, RebuildStore
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class ReadModelRebuilding:
    """The job. Each step asks the owner for a page and stores it in one transaction, so that it can stop anywhere.

    What the owner lists replaces what was stored before the rebuild started; `row_of` makes the row of a record. Events that arrive
    meanwhile are stored as always, and since then the newest version counts.
    """

    store: RebuildStore
    source: RebuildSource
    row_of: Callable[[Any], Any]
    now: Clock

    async def advance(self) -> int:
        """Handle the next page of the rebuild that is not finished; return 1, or 0 if there is none. Raises Unavailable."""
        rebuild = await self._find_open()
        if rebuild is None or rebuild.started_at is None:
            return 0
        if rebuild.phase is RebuildPhase.READING:
            await self._read_page(rebuild, rebuild.started_at)
        else:
            await self._remove_page(rebuild, rebuild.started_at)
        return 1

    @retry_on_abort
    async def _find_open(self) -> ReadModelRebuild | None:
        """Return the open rebuild. Its start is stored before anything is read."""
        rebuild = await self.store.find_open_rebuild()
        if rebuild is None or rebuild.started_at is not None:
            return rebuild
        started = rebuild.start(self.now())
        async with self.store.begin() as tx:
            return started if await tx.update_rebuild(rebuild, started) else None

    async def _read_page(self, rebuild: ReadModelRebuild, started_at: datetime) -> None:
        page = await self.source.list_page(rebuild.cursor)
        await self._store_page(rebuild, [self.row_of(record) for record in page.items], started_at, page.next)

    @retry_on_abort
    async def _store_page(self, rebuild: ReadModelRebuild, rows: list[Any], started_at: datetime, cursor: str | None) -> None:
        async with self.store.begin() as tx:
            if await tx.update_rebuild(rebuild, rebuild.after_reading(len(rows), cursor)) and rows:
                await tx.save_rows(rows, rebuild_started_at=started_at)

    async def _remove_page(self, rebuild: ReadModelRebuild, started_at: datetime) -> None:
        """Remove the rows of a page that were not stored since the start, and that the owner does not have."""
        ids = await self._list_candidates(started_at, UUID(rebuild.cursor) if rebuild.cursor else None)
        missing = set(ids) - set(await self.source.list_existing(ids)) if ids else set[UUID]()
        await self._delete(rebuild, missing, started_at, str(ids[-1]) if len(ids) == MAX_CANDIDATES else None)

    @retry_on_abort
    async def _list_candidates(self, started_at: datetime, after: UUID | None) -> list[UUID]:
        return await self.store.list_ids_stored_before(started_at, limit=MAX_CANDIDATES, after=after)

    @retry_on_abort
    async def _delete(self, rebuild: ReadModelRebuild, missing: Collection[UUID], started_at: datetime, cursor: str | None) -> None:
        async with self.store.begin() as tx:
            count = await tx.delete_rows(missing, stored_before=started_at) if missing else 0
            await tx.update_rebuild(rebuild, rebuild.after_removing(count, cursor, self.now()))
