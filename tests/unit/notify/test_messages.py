"""The life of a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from notify_svc.domain.messages import Kind, Reader, Status, about, outdates
from shared.contracts.events import TOPICS, AppointmentEvent
from tests.running import NOON
from tests.unit.notify.test_letters import IDS, a_message, an_event


def test_patient_and_doctor_are_told_once_each() -> None:
    first, again = (list(about(an_event(), NOON)) for _ in range(2))
    assert [(message.reader, message.recipient_id) for message in first] == [(Reader.PATIENT, IDS[4]), (Reader.DOCTOR, IDS[3])]
    assert [message.id for message in first] == [message.id for message in again]


def test_a_doctor_who_gave_it_away_is_told_that_it_is_gone() -> None:
    old = UUID(int=99)
    messages = list(about(an_event("appointment.rescheduled.v1", previous_doctor_id=old), NOON))
    assert [(message.kind, message.recipient_id) for message in messages] == [
        (Kind.RESCHEDULED, IDS[4]),
        (Kind.BOOKED, IDS[3]),
        (Kind.GIVEN_AWAY, old),
    ]


def test_a_doctor_who_takes_over_a_request_is_asked_to_approve_it() -> None:
    moved = an_event("appointment.rescheduled.v1", status="requested", previous_doctor_id=UUID(int=99))
    assert [message.kind for message in about(moved, NOON)] == [Kind.RESCHEDULED, Kind.REQUESTED, Kind.GIVEN_AWAY]


def test_each_doctor_hears_of_the_time_that_was_or_is_theirs() -> None:
    before, old = NOON + timedelta(days=3), UUID(int=99)
    moved = an_event("appointment.rescheduled.v1", previous_doctor_id=old, previous_starts_at=before)
    _, new, gone = (message.facts for message in about(moved, NOON))
    assert (new["starts_at"], new["doctor_id"], new["previous_starts_at"]) == ("2026-03-09T13:00:00Z", str(IDS[3]), None)
    assert (gone["starts_at"], gone["ends_at"], gone["doctor_id"]) == ("2026-03-05T12:00:00Z", "2026-03-05T12:30:00Z", str(old))


def test_an_amendment_outdates_nothing() -> None:
    topics = [topic for topic, kind in TOPICS.items() if issubclass(kind, AppointmentEvent)]
    assert [topic for topic in topics if not outdates(an_event(topic))] == ["appointment.amended.v1"]


@pytest.mark.parametrize(
    ("version", "status", "turn"),
    [
        (3, Status.SENT, Status.SKIPPED),
        (3, Status.UNKNOWN, Status.SKIPPED),
        (3, Status.SENDING, Status.SKIPPED),
        (3, Status.QUEUED, Status.SENDING),
        (3, Status.FAILED, Status.SENDING),
        (1, Status.SENDING, None),
        (1, Status.QUEUED, Status.SENDING),
        (1, Status.SENT, Status.SENDING),
    ],
)
def test_no_message_overtakes_another_about_the_same(version: int, status: Status, turn: Status | None) -> None:
    wanted = a_message().in_turn([replace(a_message(version=version), status=status)], "me", NOON)
    assert (wanted and wanted.status) == turn


def test_a_deferred_message_waits_longer_each_time_and_is_given_up_after_a_day() -> None:
    message, pauses = a_message(), list[timedelta]()
    while (message := message.taken("me", NOON).deferred("away", NOON)).status is Status.QUEUED:
        pauses.append(message.due_at - NOON)
    assert pauses[:3] == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)
    assert timedelta(hours=22) < sum(pauses, timedelta()) < timedelta(hours=26)
    assert message.status is Status.FAILED


def test_a_message_that_waited_while_the_service_was_away_is_not_given_up_at_the_first_try() -> None:
    week_later = NOON + timedelta(days=7)
    assert a_message().taken("me", week_later).deferred("away", week_later).status is Status.QUEUED


def test_what_a_dead_sender_had_in_hand_goes_again_unless_the_server_may_have_it() -> None:
    taken = a_message().taken("dead", NOON)
    assert taken.abandoned("died", repeatable=False, now=NOON).status is Status.QUEUED
    assert taken.handing_over().abandoned("died", repeatable=False, now=NOON).status is Status.UNKNOWN
    assert taken.handing_over().abandoned("died", repeatable=True, now=NOON).status is Status.QUEUED
