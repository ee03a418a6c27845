"""Rebuilding the booking history from appointment-service's list, page by page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID


class RebuildPhase(StrEnum):
    """What a rebuild does at present."""

    READING = "reading"  # reads appointment-service's list, and replaces what was stored before the rebuild started
    REMOVING = "removing"  # removes the visits that appointment-service does not have any more
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class HistoryRebuild:
    """A rebuild of the booking history. `cursor` is the position in the list that the phase goes through, None at its beginning.

    It counts as started when its first page is read. A visit that was stored since then is never removed. `steps` counts the
    pages that were handled. Times are UTC.
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
        """Return the rebuild after a page of `count` visits was stored. Without a cursor it was the last one."""
        phase = RebuildPhase.READING if cursor else RebuildPhase.REMOVING
        return replace(self, phase=phase, cursor=cursor, read_count=self.read_count + count, steps=self.steps + 1)

    def after_removing(self, count: int, cursor: str | None, now: datetime) -> Self:
        """Return the rebuild after `count` visits of a page were removed. Without a cursor it is finished."""
        removed = replace(self, cursor=cursor, removed_count=self.removed_count + count, steps=self.steps + 1)
        return removed if cursor else replace(removed, phase=RebuildPhase.FINISHED, finished_at=now)
