"""The states of a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from tests.running import NOON
from tests.unit.notify.builders import a_message, an_event


@pytest.mark.parametrize(
    ("version", "status", "result"),
    [
        (3, MessageStatus.SENT, MessageStatus.SKIPPED),
        (3, MessageStatus.UNKNOWN, MessageStatus.SKIPPED),
        (3, MessageStatus.SENDING, MessageStatus.SKIPPED),
        (3, MessageStatus.QUEUED, MessageStatus.SENDING),
        (3, MessageStatus.FAILED, MessageStatus.SENDING),
        (1, MessageStatus.SENDING, None),
        (1, MessageStatus.QUEUED, None),
        (1, MessageStatus.SENT, MessageStatus.SENDING),
    ],
)
def test_messages_about_the_same_subject_keep_their_order(version: int, status: MessageStatus, result: MessageStatus | None) -> None:
    started = a_message().start_in_order([replace(a_message(version=version), status=status)], "me", NOON)
    assert (started and started.status) == result


def test_a_deferred_message_does_not_hold_up_newer_ones() -> None:
    deferred = a_message(version=1).start_sending("me", NOON).defer("away", NOON)
    started = a_message().start_in_order([deferred], "me", NOON)
    assert started is not None
    assert started.status is MessageStatus.SENDING


@pytest.mark.parametrize(
    ("older", "newer", "result"),
    [
        (MessageKind.BOOKED, MessageKind.AMENDED, MessageStatus.SENDING),
        (MessageKind.AMENDED, MessageKind.AMENDED, MessageStatus.SKIPPED),
        (MessageKind.AMENDED, MessageKind.CANCELLED, MessageStatus.SKIPPED),
    ],
)
def test_an_amendment_makes_only_older_amendments_obsolete(older: MessageKind, newer: MessageKind, result: MessageStatus) -> None:
    started = a_message(older).start_in_order([replace(a_message(newer, version=3), status=MessageStatus.SENT)], "me", NOON)
    assert started is not None
    assert started.status == result


def test_a_message_that_was_stored_before_events_had_a_mode_is_about_a_visit_in_person() -> None:
    message = a_message()
    facts = {name: value for name, value in message.facts.items() if name not in ("mode", "changed")}
    old = replace(message, facts=facts)
    assert (old.mode, old.visible_changes) == ("in_person", frozenset())


def test_a_deferred_message_waits_longer_each_time_and_fails_after_a_day() -> None:
    message, pauses = a_message(), list[timedelta]()
    while (message := message.start_sending("me", NOON).defer("away", NOON)).status is MessageStatus.QUEUED:
        pauses.append(message.due_at - NOON)
    assert pauses[:3] == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)
    assert timedelta(hours=22) < sum(pauses, timedelta()) < timedelta(hours=26)
    assert message.status is MessageStatus.FAILED


def test_a_message_that_waited_while_the_service_was_down_does_not_fail_at_the_first_attempt() -> None:
    week_later = NOON + timedelta(days=7)
    assert a_message().start_sending("me", week_later).defer("away", week_later).status is MessageStatus.QUEUED


@given(
    remaining=st.timedeltas(timedelta(minutes=15), timedelta(days=14)),
    sendable=st.timedeltas(timedelta(seconds=30), timedelta(days=14)),
)
@example(remaining=timedelta(hours=1), sendable=timedelta(minutes=25))
@example(remaining=timedelta(days=14), sendable=timedelta(minutes=1))
def test_a_message_is_sent_after_every_outage_that_ends_before_it_is_too_late(remaining: timedelta, sendable: timedelta) -> None:
    valid_until = NOON + remaining
    outage_until = max(valid_until - sendable, NOON)
    message, attempts = replace(a_message(MessageKind.REMINDER), valid_until=valid_until), 0
    while message.due_at < outage_until:
        now = message.due_at
        message, attempts = message.start_sending("me", now).defer("away", now), attempts + 1
    assert message.status is MessageStatus.QUEUED
    started = message.start_in_order([], "me", message.due_at)
    assert started is not None
    assert started.status is MessageStatus.SENDING
    assert message.due_at - outage_until <= sendable / 3
    assert attempts < 14 * 24 + 60


def test_an_abandoned_message_is_sent_again_unless_it_may_have_been_delivered() -> None:
    sending = a_message().start_sending("dead", NOON)
    assert sending.recover("died", is_repeatable=False, now=NOON).status is MessageStatus.UNKNOWN
    assert sending.recover("died", is_repeatable=True, now=NOON).status is MessageStatus.QUEUED


@pytest.mark.parametrize("kind", list(MessageKind))
@pytest.mark.parametrize("audience", [Audience.PATIENT, Audience.DOCTOR])
def test_only_a_message_about_a_coming_visit_is_too_late_once_the_visit_has_begun(kind: MessageKind, audience: Audience) -> None:
    message, starts_at = a_message(kind, audience), an_event().starts_at
    before, after = (message.start_in_order([], "me", instant) for instant in (starts_at - timedelta(seconds=1), starts_at))
    assert before is not None
    assert before.status is MessageStatus.SENDING
    assert after is not None
    is_late = kind in {MessageKind.REQUESTED, MessageKind.BOOKED, MessageKind.RESCHEDULED, MessageKind.AMENDED}
    assert (after.status, after.problem) == ((MessageStatus.SKIPPED, "too_late") if is_late else (MessageStatus.SENDING, None))
