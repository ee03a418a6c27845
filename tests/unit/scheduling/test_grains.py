"""Grains, and sets of grains as bitmaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.grains import Bitmap, every_nth, first_grain_at_or_after, grain_of, instant_of, overlap

LENGTH = 201
bits, lengths = st.integers(0, 2**LENGTH - 1), st.integers(1, 40)
first_grains = st.integers(-50, 50)
spans = st.tuples(st.integers(-50, 50), st.integers(-50, 50))
frames = spans.filter(lambda span: span[0] <= span[1]).map(lambda span: range(*span))


def bitmap(bits: int, first: int = 0) -> Bitmap:
    return Bitmap(range(first, first + LENGTH), bits)


@given(bits, lengths, first_grains)
def test_a_run_starts_where_that_many_grains_follow_each_other(bits: int, length: int, first: int) -> None:
    starts = [first + index for index in range(LENGTH) if all(bits >> index + step & 1 for step in range(length))]
    assert list(bitmap(bits, first).run_starts(length)) == starts


@given(bits, st.integers(0, 20), lengths)
def test_widen_returns_the_grains_from_which_a_span_contains_a_grain_of_the_set(bits: int, before: int, after: int) -> None:
    grains = {index for index in range(LENGTH) if bits >> index & 1}
    touching = [index for index in range(LENGTH) if grains & set(range(index - before, index + after))]
    assert list(bitmap(bits).widen(before, after)) == touching


@given(st.integers(1, 50), st.integers(0, 300))
def test_every_nth_bit_is_set(step: int, length: int) -> None:
    assert list(Bitmap(range(length), every_nth(step, length))) == list(range(0, length, step))


@given(bits, first_grains)
def test_a_bitmap_yields_its_grains_in_either_direction_and_knows_their_number(bits: int, first: int) -> None:
    grains = [first + index for index in range(LENGTH) if bits >> index & 1]
    assert list(bitmap(bits, first)) == grains
    assert list(bitmap(bits, first).descending()) == grains[::-1]
    assert (len(bitmap(bits, first)), bool(bitmap(bits, first))) == (len(grains), bool(grains))
    assert [grain for grain in range(first - 2, first + LENGTH + 2) if grain in bitmap(bits, first)] == grains


@given(st.lists(spans), frames)
def test_a_bitmap_of_spans_contains_their_grains_within_the_frame(pairs: list[tuple[int, int]], frame: range) -> None:
    inside = {grain for pair in pairs for grain in range(*pair)} & set(frame)
    assert list(Bitmap.of_spans(pairs, frame)) == sorted(inside)


@given(st.lists(st.integers(-60, 60)), frames, st.integers(-60, 60))
def test_other_ways_to_make_a_bitmap_stay_within_the_frame(grains: list[int], frame: range, grain: int) -> None:
    assert list(Bitmap.of_grains(grains, frame)) == sorted(set(grains) & set(frame))
    assert list(Bitmap.full(frame)) == list(frame)
    assert list(Bitmap.empty(frame)) == []
    assert list(Bitmap.before(grain, frame)) == [item for item in frame if item < grain]


@given(bits, bits)
def test_operators_are_those_of_sets(first: int, second: int) -> None:
    left, right = set(bitmap(first)), set(bitmap(second))
    assert set(bitmap(first) | bitmap(second)) == left | right
    assert set(bitmap(first) & bitmap(second)) == left & right
    assert set(bitmap(first) - bitmap(second)) == left - right


@given(spans, spans)
def test_the_overlap_of_two_spans_is_what_lies_in_both(first: tuple[int, int], second: tuple[int, int]) -> None:
    assert set(overlap(range(*first), range(*second))) == set(range(*first)) & set(range(*second))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_an_instant_lies_in_its_grain_and_not_in_the_next(instant: datetime) -> None:
    grain = grain_of(instant)
    assert instant_of(grain) <= instant < instant_of(grain + 1)
    assert first_grain_at_or_after(instant) == (grain if instant_of(grain) == instant else grain + 1)
    assert instant_of(first_grain_at_or_after(instant)) - instant < timedelta(minutes=5)
