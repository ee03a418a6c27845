"""Time in grains of five minutes, numbered from the Unix epoch; a set of grains is one int, bit 0 the first grain of its frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

GRAIN_MINUTES = 5
GRAIN_SECONDS = GRAIN_MINUTES * 60
GRAIN = timedelta(minutes=GRAIN_MINUTES)
HOUR = 60 // GRAIN_MINUTES
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALL_BITS = -1  # the int with all bits set: every grain of any frame

Span = range
"""Half open, of grain numbers."""


def grain_of(instant: datetime) -> int:
    """The grain in which an aware instant lies."""
    return (instant - EPOCH) // GRAIN


def first_grain_at_or_after(instant: datetime) -> int:
    """The first grain that begins at an aware instant or after it."""
    return -((EPOCH - instant) // GRAIN)


def instant_of(grain: int) -> datetime:
    """When a grain begins, UTC."""
    return EPOCH + grain * GRAIN


def overlap(one: Span, other: Span) -> Span:
    """The grains in both; empty, but never reversed."""
    start = max(one.start, other.start)
    return range(start, max(start, min(one.stop, other.stop)))


def ones(length: int) -> int:
    """So many bits, all set; none for a negative length."""
    return (1 << length) - 1 if length > 0 else 0


def span_bits(spans: Iterable[tuple[int, int]], frame: Span) -> int:
    """The grains of some (start, stop) that lie in the frame."""
    first, last, bits = frame.start, frame.stop, 0
    for start, stop in spans:
        if start < first:  # written out: the calls would take as long as the rest
            start = first
        if stop > last:
            stop = last
        if start < stop:
            bits |= ((1 << stop - start) - 1) << start - first
    return bits


@lru_cache(maxsize=4096)
def every_nth(step: int, length: int) -> int:
    """Every step-th bit of a length, the first one included."""
    teeth = -(-length // step)
    return ones(teeth * step) // ones(step)


def run_starts(bits: int, length: int) -> int:
    """The places where that many set bits follow each other. Doubles the length looked at, so takes log2 steps."""
    seen = 1
    while seen < length:
        more = min(seen, length - seen)
        bits &= bits >> more
        seen += more
    return bits


def widen(bits: int, length: int) -> int:
    """The places from which that many bits hold at least one that is set: where a thing so long would touch one."""
    seen = 1
    while seen < length:
        more = min(seen, length - seen)
        bits |= bits >> more
        seen += more
    return bits


def set_bits(bits: int, first: int) -> Iterator[int]:
    """The grains of a set in order, lazily; `first` is the grain of bit 0."""
    digits = bin(bits)[:1:-1]
    at = digits.find("1")
    while at >= 0:
        yield first + at
        at = digits.find("1", at + 1)


def set_bits_descending(bits: int, first: int) -> Iterator[int]:
    """The same from the last on."""
    while bits:
        at = bits.bit_length() - 1
        yield first + at
        bits ^= 1 << at
