"""The life of a message."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from notify_svc.domain.messages import Kind, Reader, Status, about
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
        (Kind.RESCHEDULED, IDS[3]),
        (Kind.GIVEN_AWAY, old),
    ]


def test_a_deferred_message_waits_longer_each_time_and_is_given_up_after_a_day() -> None:
    message, pauses = a_message(), []
    for _ in range(14):
        message = message.taken("me", NOON).deferred("away", NOON)
        pauses.append(message.due_at - NOON)
    assert pauses[:3] == [timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)
    assert message.deferred("away", NOON + timedelta(hours=25)).status is Status.FAILED


def test_what_a_dead_sender_had_in_hand_goes_again_unless_the_server_may_have_it() -> None:
    taken = a_message().taken("dead", NOON)
    assert taken.abandoned(repeatable=False, now=NOON).status is Status.QUEUED
    assert taken.handing_over().abandoned(repeatable=False, now=NOON).status is Status.UNKNOWN
    assert taken.handing_over().abandoned(repeatable=True, now=NOON).status is Status.QUEUED
