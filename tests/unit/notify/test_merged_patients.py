"""What becomes of reminders, messages and visits when their patient was merged into another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from notify_svc.domain.merged_patients import PatientMove
from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.reminders import Reminder, ReminderStatus
from notify_svc.domain.visits import Visit
from tests.running import NOON
from tests.unit.notify.builders import DOCTOR, PATIENT, a_message, an_event

SOURCE, TARGET, GUARDIAN = PATIENT, UUID(int=82), UUID(int=84)
MOVE = PatientMove(SOURCE, TARGET, NOON)
VISIT = Visit.from_event(an_event(), NOON)
PLANNED, QUEUED, SKIPPED = ReminderStatus.PLANNED, ReminderStatus.QUEUED, ReminderStatus.SKIPPED
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def a_reminder(recipient_id: UUID, status: ReminderStatus, offset: int = 60) -> Reminder:
    return replace(Reminder.of(VISIT, recipient_id, offset, VISIT.starts_at - HOUR, NOON), status=status)


def after_merge(*reminders: Reminder, delivered: tuple[UUID, ...] = ()) -> set[tuple[UUID, ReminderStatus]]:
    """Return recipient and status of the reminders that are stored after the merge."""
    messages = [replace(a_message(), id=reminder_id, status=MessageStatus.SENT) for reminder_id in delivered]
    rows = {reminder.id: reminder for reminder in reminders}
    for move in MOVE.reminders_after(reminders, messages):
        for reminder_id in (*move.removed_ids, move.stored.id):
            rows.pop(reminder_id, None)
        rows[move.stored.id] = move.stored
    return {(reminder.recipient_id, reminder.status) for reminder in rows.values()}


@pytest.mark.parametrize(
    ("source", "target", "kept"),
    [
        (PLANNED, None, PLANNED),
        (QUEUED, None, QUEUED),
        (SKIPPED, None, SKIPPED),
        (PLANNED, PLANNED, PLANNED),
        (QUEUED, PLANNED, QUEUED),
        (PLANNED, QUEUED, QUEUED),
        (QUEUED, QUEUED, QUEUED),
        (SKIPPED, PLANNED, SKIPPED),
        (SKIPPED, QUEUED, QUEUED),
    ],
)
def test_of_the_reminders_of_both_patients_one_stays_and_what_was_sent_counts(
    source: ReminderStatus, target: ReminderStatus | None, kept: ReminderStatus
) -> None:
    reminders = [a_reminder(SOURCE, source)] + ([a_reminder(TARGET, target)] if target else [])
    assert after_merge(*reminders) == {(TARGET, kept)}
    assert after_merge(*reversed(reminders)) == {(TARGET, kept)}


def test_a_moved_reminder_keeps_the_id_of_its_message() -> None:
    (move,) = MOVE.reminders_after([sent := a_reminder(SOURCE, QUEUED)], [])
    assert (move.stored.id, move.stored.recipient_id, move.removed_ids) == (sent.id, TARGET, [])


def test_what_a_guardian_was_sent_counts_for_the_target_and_what_waits_does_not() -> None:
    sent = a_reminder(GUARDIAN, QUEUED)
    assert after_merge(sent, delivered=(sent.id,)) == {(GUARDIAN, QUEUED), (TARGET, QUEUED)}
    assert after_merge(sent) == {(GUARDIAN, QUEUED), (TARGET, PLANNED)}
    assert after_merge(sent, a_reminder(SOURCE, PLANNED), delivered=(sent.id,)) == {(GUARDIAN, QUEUED), (TARGET, QUEUED)}
    assert after_merge(sent, a_reminder(SOURCE, PLANNED)) == {(GUARDIAN, QUEUED), (TARGET, PLANNED)}


def test_offsets_are_told_apart() -> None:
    assert after_merge(a_reminder(SOURCE, QUEUED, 1440), a_reminder(SOURCE, PLANNED, 60)) == {(TARGET, QUEUED), (TARGET, PLANNED)}


def test_moving_twice_changes_nothing_more() -> None:
    moved = [move.stored for move in MOVE.reminders_after([a_reminder(SOURCE, QUEUED), a_reminder(SOURCE, PLANNED, 1440)], [])]
    assert list(MOVE.reminders_after(moved, [])) == []
    message = next(after for _, after in MOVE.messages_after([a_message()], NOON))
    assert list(MOVE.messages_after([message], NOON)) == []


@pytest.mark.parametrize("problem", ["no_address", "not_a_recipient", "account_disabled"])
@pytest.mark.parametrize("ended", [NOON - HOUR, NOON - MINUTE / 2, NOON + HOUR], ids=["long before", "just before", "after"])
def test_a_message_is_queued_again_if_the_merge_was_why_it_was_skipped(problem: str, ended: datetime) -> None:
    skipped = a_message().start_sending("one", ended).skip(problem, ended)
    ((_, after),) = MOVE.messages_after([skipped], NOON + HOUR)
    is_lost = problem != "account_disabled" and ended > NOON - MINUTE
    assert after.status is (MessageStatus.QUEUED if is_lost else MessageStatus.SKIPPED)
    assert (after.recipient_id, after.facts["patient_id"]) == (TARGET, str(TARGET))


def test_a_message_to_the_doctor_names_the_target() -> None:
    to_doctor = replace(a_message(), recipient_id=DOCTOR)
    ((_, after),) = MOVE.messages_after([to_doctor], NOON)
    assert (after.recipient_id, after.facts["patient_id"]) == (DOCTOR, str(TARGET))


@pytest.mark.parametrize(("copy_status", "is_queued"), [(MessageStatus.QUEUED, True), (MessageStatus.SENT, False)])
def test_a_message_for_the_guardians_is_for_the_target_unless_one_of_them_was_sent_it(copy_status: MessageStatus, is_queued: bool) -> None:
    original = a_message().start_sending("one", NOON).skip("sent_to_guardians", NOON)
    copies = [original.copy_for(GUARDIAN, NOON), replace(original.copy_for(UUID(int=85), NOON), status=copy_status)]
    after = {before.id: changed for before, changed in MOVE.messages_after([original, *copies], NOON)}
    assert (after[original.id].status is MessageStatus.QUEUED) is is_queued


def test_a_visit_that_is_over_is_moved_and_not_planned() -> None:
    over = replace(VISIT, planning_due_at=None)
    moved = MOVE.visit_after(over, VISIT.starts_at)
    assert (moved.patient_id, moved.planning_due_at, moved.revision) == (TARGET, None, over.revision)
    ahead = MOVE.visit_after(over, NOON)
    assert (ahead.patient_id, ahead.planning_due_at, ahead.revision) == (TARGET, NOON, over.revision + 1)
