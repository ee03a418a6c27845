"""The next free appointments: free starts that can be booked one after the other, not overlapping each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import islice

from scheduling_svc.domain.terms import ServiceTerms
from shared.contracts.grains import Bitmap


def successive_starts(free: Bitmap, service: ServiceTerms, known: Sequence[int], count: int) -> list[int]:
    """Return up to `count` starts of one doctor: the `known` ones, and those among the later free starts that leave them their time.

    Both buffers of each visit are kept.
    """
    starts = list(known)
    distance = service.buffer_before + service.duration + service.buffer_after
    for start in free:
        if len(starts) >= count:
            break
        if not starts or start >= starts[-1] + distance:
            starts.append(start)
    return starts


def first_of_all(starts_of_doctors: Iterable[Sequence[int]], count: int) -> list[int]:
    """Return the first `count` starts of several doctors."""
    return list(islice(merge(*starts_of_doctors), count))
