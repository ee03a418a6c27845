"""The mails that are sent are those of a plain model, after random changes of visits and after courses that these seldom take."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from shared.kit.migrations import migrate
from tests.property.message_machine import ACTIONS, MessageMachine
from tests.property.message_model import HOUR, TICK
from tests.unit.notify.builders import DOCTOR, PATIENT


def test_the_mails_that_are_sent_are_those_of_a_plain_model(tmp_path: Path) -> None:
    MessageMachine.url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    migrate("notify_svc", MessageMachine.url)
    run_state_machine_as_test(MessageMachine, settings=settings(max_examples=60, stateful_step_count=30))


class Course(MessageMachine):
    """A course of events that random changes seldom take. Every step is followed by the comparison with the model."""

    def begin(self, *, is_up: bool, chosen: list[int] | None = None, first: timedelta = 50 * HOUR, second: timedelta = 60 * HOUR) -> None:
        self.book(first, second, is_up, chosen)
        self.the_same_mails_are_sent()

    def wait(self, passing: timedelta, *, is_up: bool) -> None:
        self.pass_time(passing // TICK, is_up)
        self.the_same_mails_are_sent()

    def change(self, action: str, order: str = "once", place: int = 0) -> None:
        pick = ACTIONS[self.visits[place].status].index(action)
        self.change_visit(place, pick, 40 * HOUR, order, DOCTOR, frozenset({"place"}))
        self.the_same_mails_are_sent()

    def prefer(self, chosen: list[int] | None) -> None:
        self.change_preferences(PATIENT, chosen, None, is_twice=False)
        self.the_same_mails_are_sent()

    def kinds_to(self, email: str) -> list[str]:
        return [mail.kind for mail in self.arrived if mail.email == email]


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    Course.url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    migrate("notify_svc", Course.url)
    machine = Course()
    yield machine
    machine.teardown()


def test_after_an_outage_an_older_mail_is_not_sent_after_a_newer_one(course: Course) -> None:
    course.begin(is_up=False)
    course.wait(HOUR, is_up=False)
    course.change("move")
    course.wait(HOUR, is_up=True)
    assert course.kinds_to("mina@example.com") == ["rescheduled"]


def test_a_reminder_that_waited_for_the_mail_server_gives_way_to_a_nearer_one(course: Course) -> None:
    course.begin(is_up=True, chosen=[90, 30], first=2 * HOUR)
    course.wait(5 * TICK, is_up=True)
    course.wait(14 * TICK, is_up=False)
    course.wait(5 * TICK, is_up=True)
    assert [mail.offset for mail in course.arrived if mail.kind == "reminder"] == [30]


def test_a_booking_that_arrives_after_its_amendment_and_before_any_mail_is_told_first(course: Course) -> None:
    course.begin(is_up=True)
    course.change("cancelled")
    course.change("book", "late")
    course.change("amend")
    assert course.kinds_to("mina@example.com") == ["booked", "cancelled", "booked", "amended"]


def test_nobody_is_told_of_a_visit_that_began_during_an_outage(course: Course) -> None:
    course.begin(is_up=False, first=HOUR, second=HOUR)
    course.wait(2 * HOUR, is_up=False)
    course.wait(2 * HOUR, is_up=True)
    assert course.arrived == []


def test_a_waiting_reminder_is_not_sent_once_its_offset_is_no_longer_wanted(course: Course) -> None:
    course.begin(is_up=True, chosen=[600], first=12 * HOUR)
    course.wait(3 * HOUR, is_up=False)
    course.prefer(None)
    course.wait(4 * HOUR, is_up=True)
    assert "reminder" not in course.kinds_to("mina@example.com")
