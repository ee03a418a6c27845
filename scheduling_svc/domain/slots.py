"""Free slots: starts that can be booked, with the times and details that clients show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import NamedTuple, Self
from uuid import UUID

from scheduling_svc.domain.availability import Reason, free_starts
from scheduling_svc.domain.grid import AvailabilityGrid
from shared.contracts.grains import grain_of, instant_of
from shared.contracts.values import local_start

Cursor = tuple[datetime, UUID]
"""A position in a list of slots: the start and the doctor of the last slot that was read."""


class FreeStart(NamedTuple):
    """A free start of a grid, in grains; ordered by start and then by doctor id."""

    start: int
    doctor_id: UUID
    grid: AvailabilityGrid

    @property
    def rank(self) -> tuple[int, int]:
        """The key by which free starts of several doctors are ordered."""
        return self.start, self.doctor_id.int


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """A start that can be booked. `local_start` is the wall clock in `time_zone`; `remaining` is the number of free places; `held_by_you`
    is True if the viewer holds it."""

    doctor_id: UUID
    service_id: UUID
    starts_at: datetime
    ends_at: datetime
    local_start: str
    time_zone: str
    remaining: int = 1
    held_by_you: bool = False

    @classmethod
    def of(cls, grid: AvailabilityGrid, start: int, time_zone: str | None) -> Self:
        """Return the slot of a free start; it is shown in the zone of the doctor unless another is named."""
        zone, visit = time_zone or grid.doctor.hours.time_zone, grid.service.visit_span(start)
        starts_at = instant_of(visit.start)
        return cls(
            doctor_id=grid.doctor.id,
            service_id=grid.service.id,
            starts_at=starts_at,
            ends_at=instant_of(visit.stop),
            local_start=local_start(starts_at, zone),
            time_zone=zone,
            remaining=grid.free_seats(start),
            held_by_you=start in grid.own_holds,
        )


@dataclass(frozen=True, slots=True)
class SlotList:
    """Free slots in the order of start and doctor; `complete` is True if no later slots follow."""

    items: list[FreeSlot]
    complete: bool
    generated_at: datetime

    @classmethod
    def of(cls, grids: Sequence[AvailabilityGrid], limit: int, after: Cursor | None, *, time_zone: str | None, now: datetime) -> Self:
        """Return the first `limit` slots after a position. A doctor may have several grids, if they do not overlap."""
        starts = first_starts(grids, limit + 1, after)
        items = [FreeSlot.of(start.grid, start.start, time_zone) for start in starts[:limit]]
        return cls(items, complete=len(starts) <= limit, generated_at=now)

    @property
    def next(self) -> Cursor | None:
        """The position after which the list continues, None if it is complete."""
        return None if self.complete else (self.items[-1].starts_at, self.items[-1].doctor_id)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a start can be booked, and every reason against it."""

    bookable: bool
    reasons: list[Reason]


def first_starts(grids: Sequence[AvailabilityGrid], limit: int, after: Cursor | None = None) -> list[FreeStart]:
    """Return the first free starts of all grids, by start and then doctor, after a position in that order."""
    starts: Iterator[FreeStart] = merge(*map(_starts_of, grids), key=attrgetter("rank"))
    if after is not None:
        last = grain_of(after[0]), after[1].int
        starts = (start for start in starts if start.rank > last)
    return list(islice(starts, limit))


def nearest_starts(grid: AvailabilityGrid, start: int, limit: int) -> list[FreeStart]:
    """Return the free starts of a doctor nearest to a start: at most `limit` before it, and as many from it on."""
    free = free_starts(grid)
    earlier, later = free & grid.starts_before(start), free - grid.starts_before(start)
    nearest = (*islice(earlier.descending(), limit), *islice(later, limit))
    return [FreeStart(free_start, grid.doctor.id, grid) for free_start in nearest]


def _starts_of(grid: AvailabilityGrid) -> Iterator[FreeStart]:
    return (FreeStart(start, grid.doctor.id, grid) for start in free_starts(grid))
