"""Which messages may be sent again, and what becomes of them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from uuid import UUID

import pytest

from notify_svc.domain import messages
from notify_svc.domain.messages import (
    FINISHED,
    MAX_ATTEMPTS,
    MAX_LOGGED_ATTEMPTS,
    TRANSITIONS,
    UNFINISHED,
    IllegalMessageMove,
    Message,
    MessageStatus,
)
from notify_svc.domain.notifications import KINDS_ABOUT_COMING_VISITS, KINDS_WITHOUT_APPOINTMENT, Audience, MessageKind
from notify_svc.domain.problems import PROBLEMS
from notify_svc.domain.refusals import MessageNotFinished, MessageOutdated, ResentJustNow
from notify_svc.domain.resending import RESEND_PAUSE, Resend, resend_message
from notify_svc.domain.visits import Visit
from shared.contracts.events import AccountInvited, PasswordResetRequested
from shared.kit.ids import new_id
from tests.architecture.source import called_name, nodes
from tests.running import NOON
from tests.unit.notify.builders import ADMIN, PATIENT, a_message, an_event, message_for

LATER = NOON + timedelta(hours=1)
MOVES: dict[str, tuple[Callable[[Message], Message], MessageStatus]] = {
    "start": (lambda message: message.start_sending("me", NOON), MessageStatus.SENDING),
    "skip": (lambda message: message.skip("newer_message", NOON), MessageStatus.SKIPPED),
    "mark sent": (lambda message: message.mark_sent(NOON), MessageStatus.SENT),
    "mark failed": (lambda message: message.mark_failed("refused", NOON), MessageStatus.FAILED),
    "mark unknown": (lambda message: message.mark_unknown("connection_lost", NOON), MessageStatus.UNKNOWN),
    "defer": (lambda message: message.defer("deferred", NOON), MessageStatus.QUEUED),
    "queue again": (lambda message: message.queue_again(NOON), MessageStatus.QUEUED),
}


def with_status(status: MessageStatus, message: Message | None = None) -> Message:
    return replace(message or a_message(), status=status, attempts=1)


def a_resend(at: timedelta = timedelta(hours=1)) -> Resend:
    return Resend(new_id(), ADMIN, NOON + at)


@pytest.mark.parametrize(("status", "move"), list(product(MessageStatus, MOVES)))
def test_a_message_moves_only_along_the_table_of_transitions(status: MessageStatus, move: str) -> None:
    change, target = MOVES[move]
    if target in TRANSITIONS[status]:
        assert change(with_status(status)).status is target
    else:
        with pytest.raises(IllegalMessageMove):
            change(with_status(status))


def test_every_transition_of_the_table_happens() -> None:
    targets = {target for _change, target in MOVES.values()}
    assert targets == {target for following in TRANSITIONS.values() for target in following}
    assert TRANSITIONS.keys() == set(MessageStatus) == UNFINISHED | FINISHED


@pytest.mark.parametrize("status", [MessageStatus.FAILED, MessageStatus.UNKNOWN, MessageStatus.SKIPPED])
def test_what_was_not_or_possibly_not_sent_is_queued_again_as_the_same_message(status: MessageStatus) -> None:
    message, resend = replace(with_status(status), problem="refused 550", handed_over=True), a_resend()
    resent = resend_message(message, [], None, resend)
    assert resent.repetition is None
    assert resent.message == replace(
        message,
        status=MessageStatus.QUEUED,
        due_at=LATER,
        problem=None,
        handed_over=False,
        attempts_before_resend=1,
        resend_id=resend.id,
        resent_by=ADMIN,
        resent_at=LATER,
    )


def test_what_was_sent_is_repeated_by_a_new_message() -> None:
    sent, resend = with_status(MessageStatus.SENDING).mark_sent(NOON), a_resend()
    resent = resend_message(sent, [], None, resend)
    assert resent.message == replace(sent, resend_id=resend.id, resent_by=ADMIN, resent_at=LATER)
    assert resent.repetition == replace(
        a_message(), id=resend.id, resent_from=sent.id, created_at=LATER, due_at=LATER,
        resend_id=resend.id, resent_by=ADMIN, resent_at=LATER,
    )  # fmt: skip


@pytest.mark.parametrize("status", sorted(UNFINISHED))
def test_a_message_that_waits_or_is_being_sent_is_not_sent_again(status: MessageStatus) -> None:
    with pytest.raises(MessageNotFinished):
        resend_message(with_status(status), [], None, a_resend())


@pytest.mark.parametrize("status", sorted(UNFINISHED))
def test_a_message_is_not_repeated_while_its_repetition_waits(status: MessageStatus) -> None:
    sent, repetition = resend_message(with_status(MessageStatus.SENT), [], None, a_resend())
    assert repetition is not None
    with pytest.raises(MessageNotFinished):
        resend_message(sent, [replace(repetition, status=status)], None, a_resend(timedelta(hours=3)))
    assert resend_message(sent, [replace(repetition, status=MessageStatus.SENT)], None, a_resend(timedelta(hours=3))).repetition


def test_a_message_is_sent_again_at_most_once_a_minute() -> None:
    sent, _repetition = resend_message(with_status(MessageStatus.SENT), [], None, a_resend(timedelta()))
    with pytest.raises(ResentJustNow) as refused:
        resend_message(sent, [], None, a_resend(RESEND_PAUSE - timedelta(seconds=1)))
    assert refused.value.facts == {"available_again_at": NOON + RESEND_PAUSE}
    assert resend_message(sent, [], None, a_resend(RESEND_PAUSE)).repetition


@pytest.mark.parametrize("newer_status", list(MessageStatus))
@pytest.mark.parametrize(
    ("older", "newer", "is_outdated"),
    [
        (MessageKind.BOOKED, MessageKind.CANCELLED, True),
        (MessageKind.BOOKED, MessageKind.AMENDED, False),
        (MessageKind.AMENDED, MessageKind.AMENDED, True),
        (MessageKind.BOOKED, MessageKind.REMINDER, False),
    ],
)
def test_a_message_is_outdated_by_a_newer_one_that_says_more(
    newer_status: MessageStatus, older: MessageKind, newer: MessageKind, is_outdated: bool
) -> None:
    others = [replace(a_message(newer, version=3), status=newer_status)]
    if is_outdated:
        with pytest.raises(MessageOutdated):
            resend_message(with_status(MessageStatus.SENT, a_message(older)), others, None, a_resend())
    else:
        assert resend_message(with_status(MessageStatus.SENT, a_message(older)), others, None, a_resend()).repetition


@pytest.mark.parametrize("event_class", [AccountInvited, PasswordResetRequested])
def test_a_link_that_has_ended_or_was_replaced_is_not_mailed_again(event_class: type[AccountInvited | PasswordResetRequested]) -> None:
    kind = MessageKind.INVITED if event_class is AccountInvited else MessageKind.RESET
    event = event_class(id=new_id(), occurred_at=NOON, account_id=PATIENT, reset_id=UUID(int=8), expires_at=NOON + timedelta(hours=2))
    message = with_status(MessageStatus.FAILED, message_for(event, kind, Audience.OWNER))
    assert resend_message(message, [], None, a_resend()).message.status is MessageStatus.QUEUED
    with pytest.raises(MessageOutdated):
        resend_message(message, [], None, a_resend(timedelta(hours=2)))
    newer = message_for(event.model_copy(update={"id": new_id()}), MessageKind.RESET, Audience.OWNER)
    with pytest.raises(MessageOutdated):
        resend_message(message, [replace(newer, created_at=NOON + timedelta(minutes=1))], None, a_resend())


VISIT = Visit.from_event(an_event(), NOON)


@pytest.mark.parametrize(
    ("visit", "is_outdated"),
    [
        (VISIT, False),
        (replace(VISIT, version=9), False),
        (replace(VISIT, status="cancelled"), True),
        (replace(VISIT, status="checked_in"), True),
        (replace(VISIT, starts_at=VISIT.starts_at + timedelta(minutes=15)), True),
        (None, True),
    ],
)
def test_a_reminder_of_a_visit_that_was_cancelled_or_moved_is_outdated(visit: Visit | None, is_outdated: bool) -> None:
    reminder = replace(with_status(MessageStatus.SENT, a_message(MessageKind.REMINDER)), valid_until=VISIT.starts_at)
    if is_outdated:
        with pytest.raises(MessageOutdated):
            resend_message(reminder, [], visit, a_resend())
    else:
        assert resend_message(reminder, [], visit, a_resend()).repetition


@pytest.mark.parametrize("kind", sorted(KINDS_ABOUT_COMING_VISITS))
@pytest.mark.parametrize("audience", [Audience.PATIENT, Audience.DOCTOR])
@pytest.mark.parametrize(
    ("visit", "is_outdated"),
    [
        (VISIT, False),
        (replace(VISIT, version=9), False),
        (replace(VISIT, status="requested"), False),
        (None, False),
        *((replace(VISIT, status=status), True) for status in ("cancelled", "checked_in", "in_progress", "completed", "missed", "expired")),
        (replace(VISIT, starts_at=VISIT.starts_at + timedelta(minutes=15)), True),
    ],
)
def test_the_recorded_visit_decides_whether_a_confirmation_is_outdated(
    kind: MessageKind, audience: Audience, visit: Visit | None, is_outdated: bool
) -> None:
    confirmation = with_status(MessageStatus.SENT, a_message(kind, audience))
    if is_outdated:
        with pytest.raises(MessageOutdated):
            resend_message(confirmation, [], visit, a_resend())
    else:
        assert resend_message(confirmation, [], visit, a_resend()).repetition


@pytest.mark.parametrize("visit", [VISIT, None])
def test_a_confirmation_is_outdated_once_its_visit_has_begun_also_if_an_older_release_stored_it(visit: Visit | None) -> None:
    confirmation = replace(with_status(MessageStatus.SENT), valid_until=None)
    with pytest.raises(MessageOutdated):
        resend_message(confirmation, [], visit, Resend(new_id(), ADMIN, VISIT.starts_at))
    assert resend_message(confirmation, [], visit, Resend(new_id(), ADMIN, VISIT.starts_at - timedelta(minutes=1))).repetition


@pytest.mark.parametrize("kind", [MessageKind.CANCELLED, MessageKind.DECLINED, MessageKind.EXPIRED, MessageKind.GIVEN_AWAY])
def test_that_a_visit_does_not_take_place_can_be_told_again_after_its_time(kind: MessageKind) -> None:
    message = with_status(MessageStatus.SENT, a_message(kind))
    cancelled = replace(VISIT, status="cancelled")
    assert resend_message(message, [], cancelled, Resend(new_id(), ADMIN, VISIT.starts_at + timedelta(hours=1))).repetition


def test_a_message_that_the_guardians_got_is_not_sent_again_to_the_dependant() -> None:
    with pytest.raises(MessageOutdated):
        resend_message(replace(with_status(MessageStatus.SKIPPED), problem="sent_to_guardians"), [], VISIT, a_resend())
    assert resend_message(replace(with_status(MessageStatus.SKIPPED), problem="no_address"), [], VISIT, a_resend()).message


@pytest.mark.parametrize("kind", [MessageKind.REMINDER, MessageKind.DIGEST])
def test_a_message_whose_time_is_over_is_outdated(kind: MessageKind) -> None:
    message = replace(with_status(MessageStatus.SENT, a_message(kind)), valid_until=VISIT.starts_at)
    with pytest.raises(MessageOutdated):
        resend_message(message, [], VISIT, Resend(new_id(), ADMIN, VISIT.starts_at))


def test_a_message_that_is_queued_again_is_tried_for_a_day_again() -> None:
    failed = replace(with_status(MessageStatus.SENDING), attempts=MAX_ATTEMPTS).defer("deferred", NOON)
    assert failed.status is MessageStatus.FAILED
    deferred = failed.queue_again(NOON).start_sending("me", NOON).defer("deferred", NOON)
    assert (deferred.status, deferred.attempts, deferred.due_at) == (MessageStatus.QUEUED, MAX_ATTEMPTS + 1, NOON + timedelta(seconds=1))


def test_the_log_of_attempts_does_not_grow_without_limit() -> None:
    message = a_message()
    for _ in range(MAX_LOGGED_ATTEMPTS + 5):
        message = message.start_sending("me", NOON).mark_unknown("connection_lost", NOON).queue_again(NOON)
    assert len(message.attempt_log) == MAX_LOGGED_ATTEMPTS


def test_every_kind_is_about_an_appointment_or_without_one() -> None:
    about_appointments = set(MessageKind) - KINDS_WITHOUT_APPOINTMENT
    assert about_appointments == {
        MessageKind.REQUESTED, MessageKind.BOOKED, MessageKind.RESCHEDULED, MessageKind.AMENDED, MessageKind.GIVEN_AWAY,
        MessageKind.CANCELLED, MessageKind.DECLINED, MessageKind.EXPIRED, MessageKind.REMINDER,
    }  # fmt: skip


def test_every_problem_that_the_code_stores_is_documented() -> None:
    """The first argument of what ends an attempt, or what is raised for it, begins with the code."""
    naming = {"Undeliverable", "NoAddress", "Outdated", "Postponed", "MailUnsupported"}
    naming |= {"mark_failed", "mark_unknown", "defer", "skip", "recover"}
    codes = set[str]()
    for path, node in nodes():
        if path.parts[0] == "notify_svc" and isinstance(node, ast.Call) and called_name(node) in naming and node.args:
            text = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            codes |= {str(text.value).split()[0]} if isinstance(text, ast.Constant) else set()
            codes |= {getattr(messages, text.id)} if isinstance(text, ast.Name) and text.id.isupper() else set()
    assert codes >= {"no_address", "refused", "deferred", "newer_message", "quiet_hours", "not_wanted"}
    assert codes - PROBLEMS.keys() == set()
