"""The order of events that the bus brings in another order."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from notify_svc.domain.webhook_deliveries import WAIT_FOR_EARLIER
from notify_svc.domain.webhook_sequences import MAX_AHEAD, EventSequence
from tests.running import NOON
from tests.unit.notify.builders import APPOINTMENT, an_event

NEW = EventSequence(APPOINTMENT)


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8), max_size=8))
def test_whatever_the_order_and_the_duplicates_an_event_is_complete_when_all_before_it_have_come(
    order: list[int], duplicates: list[int]
) -> None:
    sequence, seen = NEW, set[int]()
    for number in [*order[:4], *duplicates, *order[4:]]:
        sequence = sequence.record(number, NOON)
        seen.add(number)
        for other in seen:
            assert sequence.is_complete_before(other) == seen.issuperset(range(1, other))
    assert sequence == EventSequence(APPOINTMENT, complete_until=8)


def test_what_does_not_come_within_the_wait_is_no_longer_waited_for() -> None:
    waiting = NEW.record(1, NOON).record(3, NOON)
    assert not waiting.is_complete_before(3)
    assert waiting.record(4, NOON + WAIT_FOR_EARLIER / 2).complete_until == 1
    assert waiting.record(4, NOON + WAIT_FOR_EARLIER) == EventSequence(APPOINTMENT, complete_until=4)


def test_an_event_without_a_number_waits_for_none_and_changes_nothing() -> None:
    assert NEW.is_complete_before(0)
    assert NEW.record(0, NOON) == NEW


def test_events_before_the_first_webhook_are_not_waited_for_if_they_are_known() -> None:
    event = an_event(version=5, event_number=4)
    assert EventSequence.starting_with(event, known_version=4).is_complete_before(4)
    assert not EventSequence.starting_with(event, known_version=3).is_complete_before(4)
    assert not EventSequence.starting_with(event, known_version=None).is_complete_before(4)
    assert EventSequence.starting_with(an_event(version=2, event_number=1), known_version=None).is_complete_before(1)
    assert EventSequence.starting_with(event, known_version=9).is_complete_before(4)


def test_the_stored_numbers_are_bounded() -> None:
    sequence = NEW
    for number in range(3, 3 + 2 * MAX_AHEAD):
        sequence = sequence.record(number, NOON + timedelta(milliseconds=number))
    assert len(sequence.ahead) == MAX_AHEAD
