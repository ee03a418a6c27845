"""What events tell of a visit, and which of them have its reminders planned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from notify_svc.domain.visits import Visit
from shared.kit.ids import new_id
from tests.running import NOON
from tests.unit.notify.builders import an_event

START = an_event().starts_at
LATER = NOON + timedelta(hours=1)
BOOKED = Visit.from_event(an_event(), NOON)


def an_event_later(topic: str, status: str = "booked", **changes: Any) -> Any:
    return an_event(topic, version=3, id=new_id(), status=status, **changes).model_copy(update={"occurred_at": LATER})


@pytest.mark.parametrize(
    ("topic", "status"),
    [
        ("appointment.cancelled.v1", "cancelled"),
        ("appointment.declined.v1", "declined"),
        ("appointment.expired.v1", "expired"),
        ("appointment.missed.v1", "missed"),
        ("appointment.checked_in.v1", "checked_in"),
        ("appointment.rescheduled.v1", "requested"),
        ("appointment.requested.v1", "requested"),
    ],
)
def test_a_visit_that_is_not_booked_has_no_reminders_planned(topic: str, status: str) -> None:
    event = an_event_later(topic, status)
    assert Visit.from_event(event, NOON).planning_due_at is None
    assert not BOOKED.keeps_reminders_after(event)
    assert BOOKED.follow(event, LATER).planning_due_at is None


def test_a_booked_visit_has_its_reminders_planned_from_the_booking_on() -> None:
    assert (BOOKED.planning_due_at, BOOKED.wanted_since) == (NOON, NOON)


@pytest.mark.parametrize("previous", ["booked", "cancelled", "checked_in", "requested"])
def test_a_visit_that_is_approved_or_restored_has_its_reminders_planned_from_then_on(previous: str) -> None:
    known = Visit.from_event(an_event(status=previous), NOON)
    event = an_event_later("appointment.booked.v1")
    assert not known.keeps_reminders_after(event)
    followed = known.follow(event, LATER)
    assert (followed.planning_due_at, followed.wanted_since, followed.revision) == (LATER, LATER, 1)


def test_a_moved_visit_has_its_reminders_planned_from_the_move_on() -> None:
    event = an_event_later("appointment.rescheduled.v1", starts_at=START + timedelta(hours=2), previous_starts_at=START)
    followed = BOOKED.follow(event, LATER)
    assert not BOOKED.keeps_reminders_after(event)
    assert (followed.starts_at, followed.wanted_since, followed.planning_due_at) == (START + timedelta(hours=2), LATER, LATER)


def test_a_move_back_whose_move_away_has_not_arrived_counts_as_a_move() -> None:
    event = an_event_later("appointment.rescheduled.v1", previous_starts_at=START + timedelta(hours=2))
    assert not BOOKED.keeps_reminders_after(event)


def test_another_doctor_at_the_same_time_leaves_the_reminders_as_they_are() -> None:
    planned = Visit.from_event(an_event(), NOON)
    event = an_event_later("appointment.rescheduled.v1", previous_starts_at=START, doctor_id=new_id())
    assert planned.keeps_reminders_after(event)
    followed = planned.follow(event, LATER)
    assert (followed.doctor_id, followed.wanted_since, followed.revision) == (event.doctor_id, NOON, 0)


def test_the_sequence_of_a_visit_never_falls() -> None:
    raised = Visit.from_event(an_event(sequence=7), NOON)
    assert raised.follow(an_event_later("appointment.rescheduled.v1", sequence=5), LATER).sequence == 7
