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


def archive_limit(now: datetime) -> int:
    """Return the grain before which time is archived: it ended ARCHIVE_AFTER ago, so it can neither be booked nor taken again."""
    return grain_of(now - ARCHIVE_AFTER)
