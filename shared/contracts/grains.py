"""Time in grains of five minutes, numbered from the Unix epoch, and sets of grains as bitmaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self

GRAIN_MINUTES = 5
GRAIN_SECONDS = GRAIN_MINUTES * 60
GRAIN = timedelta(minutes=GRAIN_MINUTES)
HOUR = 60 // GRAIN_MINUTES
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Span = range
"""Grain numbers from `start` up to, not including, `stop`."""


def grain_of(instant: datetime) -> int:
    """Return the number of the grain that contains an aware instant."""
    return (instant - EPOCH) // GRAIN


def first_grain_at_or_after(instant: datetime) -> int:
    """Return the number of the first grain that begins at an aware instant or after it."""
    return -((EPOCH - instant) // GRAIN)


def instant_of(grain: int) -> datetime:
    """Return the instant at which a grain begins, in UTC."""
    return EPOCH + grain * GRAIN


def overlap(first: Span, second: Span) -> Span:
    """Return the grains that lie in both spans; an empty span where there are none."""
    start = max(first.start, second.start)
    return range(start, max(start, min(first.stop, second.stop)))


def ones(length: int) -> int:
    """Return an int with the lowest `length` bits set; 0 for a negative length."""
    return (1 << length) - 1 if length > 0 else 0


@lru_cache(maxsize=4096)
def every_nth(step: int, length: int) -> int:
    """Return an int with every `step`-th of the lowest `length` bits set, beginning with bit 0."""
    count = -(-length // step)
    return ones(count * step) // ones(step)


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A set of grains within a frame, as the bits of one int: bit 0 is the first grain of the frame.

    Operations on whole sets are shifts and masks of ints and cost the same for one day as for sixty. Two bitmaps are combined only when
    they have the same frame; this is not checked, because the check would cost as much as the operation.
    """

    frame: Span
    bits: int

    @classmethod
    def empty(cls, frame: Span) -> Self:
        """Return the empty set."""
        return cls(frame, 0)

    @classmethod
    def full(cls, frame: Span) -> Self:
        """Return the set of all grains of the frame."""
        return cls(frame, ones(len(frame)))

    @classmethod
    def before(cls, grain: int, frame: Span) -> Self:
        """Return the grains of the frame that come before a grain."""
        return cls(frame, ones(min(grain, frame.stop) - frame.start))

    @classmethod
    def of_grains(cls, grains: Iterable[int], frame: Span) -> Self:
        """Return the set of the given grains, without those that lie outside the frame."""
        return cls.of_spans(((grain, grain + 1) for grain in grains), frame)

    @classmethod
    def of_spans(cls, spans: Iterable[tuple[int, int]], frame: Span) -> Self:
        """Return the set of the grains of (start, stop) pairs, without those that lie outside the frame."""
        first, last, bits = frame.start, frame.stop, 0
        for start, stop in spans:
            if start < first:  # `max` and `min` would take as long as the rest of the loop
                start = first
            if stop > last:
                stop = last
            if start < stop:
                bits |= ((1 << stop - start) - 1) << start - first
        return cls(frame, bits)

    def __or__(self, other: Bitmap) -> Bitmap:
        return Bitmap(self.frame, self.bits | other.bits)

    def __and__(self, other: Bitmap) -> Bitmap:
        return Bitmap(self.frame, self.bits & other.bits)

    def __sub__(self, other: Bitmap) -> Bitmap:
        return Bitmap(self.frame, self.bits & ~other.bits)

    def __bool__(self) -> bool:
        return self.bits != 0

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, grain: object) -> bool:
        return isinstance(grain, int) and grain in self.frame and bool(self.bits >> grain - self.frame.start & 1)

    def __iter__(self) -> Iterator[int]:
        """Yield the grains in ascending order, lazily."""
        first, digits = self.frame.start, bin(self.bits)[:1:-1]
        index = digits.find("1")
        while index >= 0:
            yield first + index
            index = digits.find("1", index + 1)

    def descending(self) -> Iterator[int]:
        """Yield the grains in descending order, lazily."""
        bits = self.bits
        while bits:
            index = bits.bit_length() - 1
            yield self.frame.start + index
            bits ^= 1 << index

    def run_starts(self, length: int) -> Bitmap:
        """Return the grains at which a run of `length` grains of this set begins.

        Each pass doubles the length that was compared, so the number of passes is the logarithm of `length`.
        """
        bits, compared = self.bits, 1
        while compared < length:
            shift = min(compared, length - compared)
            bits &= bits >> shift
            compared += shift
        return Bitmap(self.frame, bits)

    def widen(self, before: int, after: int) -> Bitmap:
        """Return the grains whose surrounding span, from `before` grains earlier up to `after` grains later, contains a grain of this set.

        The span includes its first grain and excludes its last, like every span here.
        """
        bits, compared, length = self.bits << before, 1, before + after
        while compared < length:
            shift = min(compared, length - compared)
            bits |= bits >> shift
            compared += shift
        return Bitmap(self.frame, bits & ones(len(self.frame)) if before else bits)
