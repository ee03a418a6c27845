"""When a claim is archived, and in which order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from shared.contracts.grains import grain_of

ARCHIVE_AFTER = timedelta(days=1)


class ArchiveCursor(NamedTuple):
    """A claim that is due to be archived: the grain at which its visit ended, and its id."""

    visit_to: int
    id: UUID


def archived_before(now: datetime) -> int:
    """Return the grain before which everything is over for good: nobody can book the time, and nothing takes it again."""
    return grain_of(now - ARCHIVE_AFTER)
