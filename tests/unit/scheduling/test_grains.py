"""Sets of grains as ints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.grains import (
    every_nth,
    first_grain_at_or_after,
    grain_of,
    instant_of,
    overlap,
    run_starts,
    set_bits,
    set_bits_descending,
    span_bits,
    widen,
)

bitmaps, lengths = st.integers(0, 2**200), st.integers(1, 40)
spans = st.tuples(st.integers(-50, 50), st.integers(-50, 50))


@given(bitmaps, lengths)
def test_a_thing_fits_where_so_many_grains_follow_each_other(bits: int, length: int) -> None:
    fits = [at for at in range(201) if all(bits >> at + step & 1 for step in range(length))]
    assert list(set_bits(run_starts(bits, length), 0)) == fits


@given(bitmaps, lengths)
def test_a_thing_touches_where_any_of_its_grains_is_set(bits: int, length: int) -> None:
    touches = [at for at in range(201) if any(bits >> at + step & 1 for step in range(length))]
    assert list(set_bits(widen(bits, length), 0)) == touches


@given(st.integers(1, 50), st.integers(0, 300))
def test_a_comb_has_a_tooth_at_every_step(step: int, length: int) -> None:
    assert list(set_bits(every_nth(step, length), 0)) == list(range(0, length, step))


@given(bitmaps, st.integers(-50, 50))
def test_a_set_is_told_from_either_end(bits: int, first: int) -> None:
    assert list(set_bits_descending(bits, first)) == sorted(set_bits(bits, first), reverse=True)


@given(st.lists(spans), spans.filter(lambda span: span[0] <= span[1]))
def test_what_is_painted_lies_in_the_frame(painting: list[tuple[int, int]], frame: tuple[int, int]) -> None:
    inside = {grain for span in painting for grain in range(*span)} & set(range(*frame))
    assert list(set_bits(span_bits(painting, range(*frame)), frame[0])) == sorted(inside)


@given(spans, spans)
def test_two_spans_have_in_common_what_lies_in_both(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert set(overlap(range(*one), range(*other))) == set(range(*one)) & set(range(*other))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_an_instant_lies_in_its_grain_and_not_in_the_next(instant: datetime) -> None:
    grain = grain_of(instant)
    assert instant_of(grain) <= instant < instant_of(grain + 1)
    assert first_grain_at_or_after(instant) == (grain if instant_of(grain) == instant else grain + 1)
    assert instant_of(first_grain_at_or_after(instant)) - instant < timedelta(minutes=5)
