"""Rebuilding a read model from the list of the service that owns the data, page by page, while events go on arriving.

A command line inserts a row that requests the rebuild; a job of the service (`rebuilding.py`) carries it out and can stop anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self
from uuid import UUID

from shared.contracts.pages import Page
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

MAX_CANDIDATES = 100
"""The largest number of rows that are looked up at the owner in one step."""


class RebuildPhase(StrEnum):
    """What a rebuild does at present."""

    READING = "reading"  # reads the owner's list, and replaces what was stored before the rebuild started
    REMOVING = "removing"  # removes the rows that the owner does not have any more
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class ReadModelRebuild:
    """A rebuild. `cursor` is the position in the list that the phase goes through, None at its beginning.

    It counts as started when its first page is read. A row that was stored since then is never removed. `steps` counts the pages that were
    handled. Times are UTC.
    """

    id: UUID
    requested_at: datetime
    started_at: datetime | None = None
    phase: RebuildPhase = RebuildPhase.READING
    cursor: str | None = None
    read_count: int = 0
    removed_count: int = 0
    finished_at: datetime | None = None
    steps: int = 0

    @property
    def is_finished(self) -> bool:
        """True once nothing is left to do."""
        return self.finished_at is not None

    def start(self, now: datetime) -> Self:
        """Return the rebuild as started, or self if it is."""
        return self if self.started_at else replace(self, started_at=now, steps=self.steps + 1)

    def after_reading(self, count: int, cursor: str | None) -> Self:
        """Return the rebuild after a page of `count` records was stored. Without a cursor it was the last one."""
        phase = RebuildPhase.READING if cursor else RebuildPhase.REMOVING
        return replace(self, phase=phase, cursor=cursor, read_count=self.read_count + count, steps=self.steps + 1)

    def after_removing(self, count: int, cursor: str | None, now: datetime) -> Self:
        """Return the rebuild after `count` rows of a page were removed. Without a cursor it is finished."""
        removed = replace(self, cursor=cursor, removed_count=self.removed_count + count, steps=self.steps + 1)
        return removed if cursor else replace(removed, phase=RebuildPhase.FINISHED, finished_at=now)


class RebuildSource(Protocol):
    """The owner of the data. Each method raises Unavailable when it does not answer."""

    async def list_page(self, cursor: str | None) -> Page[Any]:
        """Return a page of all records, by id."""

    async def list_existing(self, ids: Sequence[UUID]) -> Collection[UUID]:
        """Return those of `ids`, MAX_CANDIDATES at most, that exist."""


class RebuildTransaction(Protocol):
    """A transaction that writes the read model and its rebuilds."""

    async def save_rows(self, rows: Sequence[Any], *, rebuild_started_at: datetime) -> None:
        """Store some rows as the owner lists them, and record that all of them were stored now.

        A newer version stays if it was stored since the rebuild started: then it is from an event.
        """

    async def delete_rows(self, ids: Collection[UUID], *, stored_before: datetime) -> int:
        """Delete rows that were stored before an instant; return how many."""

    async def insert_rebuild(self, rebuild: ReadModelRebuild) -> None:
        """Insert a rebuild."""

    async def update_rebuild(self, before: ReadModelRebuild, after: ReadModelRebuild) -> bool:
        """Store the new state of a rebuild; return False if it was changed since it was read."""


class RebuildStore(Protocol):
    """The database of a read model, as rebuilds need it."""

    def begin(self) -> AbstractAsyncContextManager[RebuildTransaction]:
        """Open a transaction."""

    async def list_ids_stored_before(self, instant: datetime, *, limit: int, after: UUID | None) -> list[UUID]:
        """Return up to `limit` ids, in order, of rows that were stored before an instant, after the id `after`."""

    async def find_open_rebuild(self) -> ReadModelRebuild | None:
        """Return the rebuild that is not finished, the oldest of several, or None."""

    async def find_rebuild(self, rebuild_id: UUID) -> ReadModelRebuild | None:
        """Return a rebuild, or None."""


@dataclass(frozen=True, slots=True)
class RebuildRequests:
    """The use cases of the command line."""

    store: RebuildStore
    now: Clock

    @retry_on_abort
    async def request(self, rebuild_id: UUID) -> ReadModelRebuild:
        """Request a rebuild, or return the one that is not finished, with which the service goes on."""
        if (existing := await self.store.find_open_rebuild()) is not None:
            return existing
        rebuild = ReadModelRebuild(rebuild_id, self.now())
        async with self.store.begin() as tx:
            await tx.insert_rebuild(rebuild)
        return rebuild

    @retry_on_abort
    async def find(self, rebuild_id: UUID) -> ReadModelRebuild | None:
        """Return a rebuild as it is now, or None."""
        return await self.store.find_rebuild(rebuild_id)
