"""The decision table of the calendar sync: every row is tested here, through the same functions that classify real answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.calendar_sync import IntentKind
from appointment_svc.domain.sync_decisions import (
    DECISIONS,
    AnswerKind,
    CalendarAnswer,
    Situation,
    SyncAction,
    answer_to_comparison,
    answer_to_request,
    next_action,
    situation,
)
from appointment_svc.domain.sync_outcomes import NEEDS_DOCTOR, OUTCOMES, SyncStep, apply_action
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.http import Reservation
from shared.contracts.refusals import Refusal
from shared.contracts.relayed_refusals import ReservationReleased, SlotTaken
from shared.kit.ids import new_id
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, HALF, NINE, NOON, STRANGER, TEN, a_change, a_doctor_snapshot, an_appointment

S, C, A = Situation, AnswerKind, SyncAction
ELEVEN = TEN + timedelta(hours=1)
OWN, REQUESTED, FOREIGN = (NINE, DOCTOR), (TEN, DOCTOR), (ELEVEN, COLLEAGUE)
BOOK, MOVE, RESTORE, RECLAIM, RELEASE = IntentKind
LATER_REVISION = 9


@dataclass(frozen=True)
class RowOutcome:
    """What a row writes: the action, and the appointment afterwards. `revision` is that of the appointment, 3 before."""

    action: SyncAction
    status: AppointmentStatus
    slot: tuple[datetime, UUID] = OWN
    intent: IntentKind | None = None
    refused: bool = False
    recorded: str | None = None
    revision: int = 3


ROWS = {
    (S.BOOKING, C.GRANTED): RowOutcome(A.CONFIRM_BOOKING, AppointmentStatus.BOOKED, recorded="booked", revision=1),
    (S.BOOKING, C.REPLACED): RowOutcome(
        A.REFUSE_BOOKING_AND_RELEASE, AppointmentStatus.REFUSED, intent=RELEASE, refused=True, recorded="refused", revision=9
    ),
    (S.BOOKING, C.RELEASED): RowOutcome(
        A.REFUSE_BOOKING_AND_RELEASE, AppointmentStatus.REFUSED, intent=RELEASE, refused=True, recorded="refused", revision=1
    ),
    (S.BOOKING, C.REFUSED): RowOutcome(A.REFUSE_BOOKING, AppointmentStatus.REFUSED, refused=True, recorded="refused", revision=1),
    (S.MOVING, C.GRANTED): RowOutcome(A.CONFIRM_MOVE, AppointmentStatus.BOOKED, REQUESTED, recorded="rescheduled", revision=4),
    (S.MOVING, C.REPLACED): RowOutcome(A.REFUSE_CHANGE, AppointmentStatus.BOOKED, refused=True, revision=9),
    (S.MOVING, C.RELEASED): RowOutcome(A.REFUSE_CHANGE, AppointmentStatus.BOOKED, refused=True, revision=4),
    (S.MOVING, C.REFUSED): RowOutcome(A.REFUSE_CHANGE_AND_RECLAIM, AppointmentStatus.BOOKED, intent=RECLAIM, refused=True, revision=4),
    (S.RESTORING, C.GRANTED): RowOutcome(A.CONFIRM_RESTORE, AppointmentStatus.BOOKED, recorded="restored", revision=4),
    (S.RESTORING, C.REPLACED): RowOutcome(
        A.REFUSE_CHANGE_AND_RELEASE, AppointmentStatus.CANCELLED, intent=RELEASE, refused=True, revision=9
    ),
    (S.RESTORING, C.RELEASED): RowOutcome(
        A.REFUSE_CHANGE_AND_RELEASE, AppointmentStatus.CANCELLED, intent=RELEASE, refused=True, revision=4
    ),
    (S.RESTORING, C.REFUSED): RowOutcome(A.REFUSE_CHANGE, AppointmentStatus.CANCELLED, refused=True, revision=4),
    (S.RESTORING_RESERVED, C.GRANTED): RowOutcome(A.CONFIRM_RESTORE, AppointmentStatus.BOOKED, recorded="restored"),
    (S.RESTORING_RESERVED, C.REPLACED): RowOutcome(A.REFUSE_CHANGE, AppointmentStatus.MISSED, refused=True, revision=9),
    (S.RESTORING_RESERVED, C.RELEASED): RowOutcome(A.REFUSE_CHANGE, AppointmentStatus.MISSED, refused=True),
    (S.RESTORING_RESERVED, C.REFUSED): RowOutcome(A.REFUSE_CHANGE, AppointmentStatus.MISSED, refused=True),
    (S.RECLAIMING, C.GRANTED): RowOutcome(A.CONFIRM_RECLAIM, AppointmentStatus.BOOKED, revision=4),
    (S.RECLAIMING, C.REPLACED): RowOutcome(A.DROP_INTENT, AppointmentStatus.BOOKED, revision=9),
    (S.RECLAIMING, C.RELEASED): RowOutcome(A.DROP_INTENT, AppointmentStatus.BOOKED, revision=4),
    (S.RECLAIMING, C.REFUSED): RowOutcome(A.REFUSE_CHANGE, AppointmentStatus.BOOKED, refused=True, revision=4),
    (S.RELEASING, C.RELEASE_CONFIRMED): RowOutcome(A.DROP_INTENT, AppointmentStatus.CANCELLED),
    (S.RELEASING, C.SAME): RowOutcome(A.RELEASE, AppointmentStatus.CANCELLED, intent=RELEASE, revision=9),
    (S.RELEASING, C.ELSEWHERE): RowOutcome(A.RELEASE, AppointmentStatus.CANCELLED, intent=RELEASE, revision=9),
    (S.RELEASING, C.RELEASED): RowOutcome(A.NOTHING, AppointmentStatus.CANCELLED, intent=RELEASE),
    (S.RELEASING, C.BEING_RELEASED): RowOutcome(A.NOTHING, AppointmentStatus.CANCELLED, intent=RELEASE),
    (S.RELEASING, C.MISSING): RowOutcome(A.NOTHING, AppointmentStatus.CANCELLED, intent=RELEASE),
    (S.UPCOMING, C.SAME): RowOutcome(A.NOTE_REVISION, AppointmentStatus.BOOKED, revision=9),
    (S.UPCOMING, C.ELSEWHERE): RowOutcome(A.FOLLOW, AppointmentStatus.BOOKED, FOREIGN, recorded="rescheduled", revision=9),
    (S.UPCOMING, C.RELEASED): RowOutcome(A.CANCEL, AppointmentStatus.CANCELLED, intent=RELEASE, recorded="cancelled", revision=9),
    (S.UPCOMING, C.OUTDATED): RowOutcome(A.RECLAIM, AppointmentStatus.BOOKED, intent=RECLAIM),
    (S.UPCOMING, C.MISSING): RowOutcome(A.RECLAIM, AppointmentStatus.BOOKED, intent=RECLAIM),
    (S.BEGUN, C.SAME): RowOutcome(A.NOTE_REVISION, AppointmentStatus.CHECKED_IN, revision=9),
    (S.BEGUN, C.ELSEWHERE): RowOutcome(A.RECLAIM, AppointmentStatus.CHECKED_IN, intent=RECLAIM),
    (S.BEGUN, C.RELEASED): RowOutcome(A.RECLAIM, AppointmentStatus.CHECKED_IN, intent=RECLAIM),
    (S.BEGUN, C.OUTDATED): RowOutcome(A.RECLAIM, AppointmentStatus.CHECKED_IN, intent=RECLAIM),
    (S.BEGUN, C.MISSING): RowOutcome(A.RECLAIM, AppointmentStatus.CHECKED_IN, intent=RECLAIM),
    (S.ENDED, C.SAME): RowOutcome(A.RELEASE, AppointmentStatus.CANCELLED, intent=RELEASE, revision=9),
    (S.ENDED, C.ELSEWHERE): RowOutcome(A.RELEASE, AppointmentStatus.CANCELLED, intent=RELEASE, revision=9),
    (S.ENDED, C.RELEASED): RowOutcome(A.NOTHING, AppointmentStatus.CANCELLED),
    (S.ENDED, C.MISSING): RowOutcome(A.NOTHING, AppointmentStatus.CANCELLED),
}


def appointment_in(case: Situation) -> Appointment:
    """An appointment at nine with revision 3 (a new booking has 0), and the intent of the situation."""
    booked = an_appointment(revision=3)
    return {
        S.BOOKING: an_appointment(AppointmentStatus.PENDING),
        S.MOVING: booked.reschedule(a_change(), starts_at=TEN),
        S.RESTORING: an_appointment(AppointmentStatus.CANCELLED, revision=3).restore(a_change()),
        S.RESTORING_RESERVED: an_appointment(AppointmentStatus.MISSED, revision=3).restore(a_change()),
        S.RECLAIMING: booked.with_reclaim(a_change()),
        S.RELEASING: an_appointment(AppointmentStatus.CANCELLED, revision=3).with_release(a_change()),
        S.UPCOMING: booked,
        S.BEGUN: an_appointment(AppointmentStatus.CHECKED_IN, revision=3),
        S.ENDED: an_appointment(AppointmentStatus.CANCELLED, revision=3),
    }[case]


def a_reservation(appointment: Appointment, slot: tuple[datetime, UUID | None], revision: int, *, live: bool = True) -> Reservation:
    starts_at, doctor_id = slot
    return Reservation(
        appointment_id=appointment.id,
        service_id=appointment.service.id,
        doctor_id=doctor_id or DOCTOR,
        patient_id=appointment.patient_id,
        starts_at=starts_at,
        ends_at=starts_at + HALF,
        revision=revision,
        live=live,
    )


def reply_to(appointment: Appointment, kind: AnswerKind) -> CalendarAnswer:
    """The calendar's answer to the request of the appointment's intent."""
    intent = appointment.sync.intent
    assert intent is not None
    if kind is C.RELEASE_CONFIRMED:
        return CalendarAnswer(kind)
    replies: dict[AnswerKind, Reservation | Refusal] = {
        C.GRANTED: a_reservation(appointment, (intent.starts_at, DOCTOR), intent.revision),
        C.REPLACED: a_reservation(appointment, FOREIGN, LATER_REVISION),
        C.RELEASED: ReservationReleased(),
        C.REFUSED: SlotTaken(),
    }
    return answer_to_request(intent, replies[kind])


def comparison_with(appointment: Appointment, kind: AnswerKind) -> CalendarAnswer:
    """The answer when the calendar is asked which reservation it has."""
    reservations = {
        C.SAME: a_reservation(appointment, appointment.slot, LATER_REVISION),
        C.ELSEWHERE: a_reservation(appointment, FOREIGN, LATER_REVISION),
        C.RELEASED: a_reservation(appointment, OWN, LATER_REVISION, live=False),
        C.OUTDATED: a_reservation(appointment, FOREIGN, revision=2),
        C.BEING_RELEASED: a_reservation(appointment, OWN, revision=3),
        C.MISSING: None,
    }
    return answer_to_comparison(appointment, reservations[kind], after_leave=False)


@pytest.mark.parametrize(("case", "kind"), ROWS)
def test_every_row_does_what_the_table_says(case: Situation, kind: AnswerKind) -> None:
    appointment, expected = appointment_in(case), ROWS[case, kind]
    assert situation(appointment) is case
    requesting = case in (S.BOOKING, S.MOVING, S.RESTORING, S.RESTORING_RESERVED, S.RECLAIMING) or kind is C.RELEASE_CONFIRMED
    answer = reply_to(appointment, kind) if requesting else comparison_with(appointment, kind)
    assert answer.kind is kind
    action = next_action(appointment, answer)
    change = appointment.sync.intent.change(NOON, event_id=new_id()) if requesting and appointment.sync.intent else a_change()
    doctor = a_doctor_snapshot(id=answer.reservation.doctor_id) if action in NEEDS_DOCTOR and answer.reservation else None
    after = apply_action(action, SyncStep(appointment, answer, change, doctor))
    new_entries = after.history[len(appointment.history) :]
    assert (
        RowOutcome(
            action,
            after.status,
            (after.starts_at, after.doctor_id or DOCTOR),
            after.sync.intent.kind if after.sync.intent else None,
            after.sync.is_refused(change.operation_id),
            new_entries[0].action if new_entries else None,
            after.sync.revision,
        )
        == expected
    )
    assert (after == appointment) is (expected.action is A.NOTHING)
    assert after.version == appointment.version + len(new_entries)


def test_every_row_of_the_table_has_a_test_and_every_test_a_row() -> None:
    assert set(ROWS) == set(DECISIONS)
    assert {row: expected.action for row, expected in ROWS.items()} == DECISIONS


def test_every_situation_has_a_row_for_every_answer_it_can_get() -> None:
    to_requests = {C.GRANTED, C.REPLACED, C.RELEASED, C.REFUSED}
    comparisons = {C.SAME, C.ELSEWHERE, C.RELEASED, C.MISSING}
    possible = dict.fromkeys((S.BOOKING, S.MOVING, S.RESTORING, S.RESTORING_RESERVED, S.RECLAIMING), to_requests)
    possible |= {S.RELEASING: comparisons | {C.RELEASE_CONFIRMED, C.BEING_RELEASED}, S.ENDED: comparisons}
    possible |= dict.fromkeys((S.UPCOMING, S.BEGUN), comparisons | {C.OUTDATED})
    assert set(possible) == set(Situation)
    assert {case: {kind for row, kind in DECISIONS if row is case} for case in Situation} == possible
    assert set(AnswerKind) == {kind for kinds in possible.values() for kind in kinds}


def test_every_action_is_decided_somewhere_and_has_an_outcome() -> None:
    assert set(DECISIONS.values()) == set(SyncAction) == set(OUTCOMES)


@pytest.mark.parametrize("case", [S.UPCOMING, S.BEGUN])
def test_after_a_leave_also_an_older_reservation_is_the_decision_of_the_clinic(case: Situation) -> None:
    appointment = appointment_in(case)
    older = a_reservation(appointment, FOREIGN, revision=2)
    assert answer_to_comparison(appointment, older, after_leave=False).kind is C.OUTDATED
    assert answer_to_comparison(appointment, older, after_leave=True).kind is C.ELSEWHERE
    released = older.model_copy(update={"live": False})
    assert answer_to_comparison(appointment, released, after_leave=True).kind is C.RELEASED


@pytest.mark.parametrize("case", [S.UPCOMING, S.BEGUN])
def test_a_reservation_of_the_same_time_for_a_former_patient_is_outdated_except_for_a_leave(case: Situation) -> None:
    appointment = appointment_in(case)
    for_other = a_reservation(appointment, appointment.slot, LATER_REVISION).model_copy(update={"patient_id": STRANGER})
    assert answer_to_comparison(appointment, for_other, after_leave=False).kind is C.OUTDATED
    assert answer_to_comparison(appointment, for_other, after_leave=True).kind is C.SAME
    moved = for_other.model_copy(update={"starts_at": FOREIGN[0], "doctor_id": FOREIGN[1]})
    assert answer_to_comparison(appointment, moved, after_leave=False).kind is C.ELSEWHERE, "first the clinic's move is followed"


def test_a_reservation_of_a_former_patient_is_released_with_the_appointment_that_has_ended() -> None:
    appointment = appointment_in(S.ENDED)
    for_other = a_reservation(appointment, appointment.slot, LATER_REVISION).model_copy(update={"patient_id": STRANGER})
    assert next_action(appointment, answer_to_comparison(appointment, for_other, after_leave=False)) is A.RELEASE


def test_every_later_request_has_a_higher_revision_than_the_reservation() -> None:
    for kind in (C.ELSEWHERE, C.RELEASED, C.OUTDATED, C.MISSING):
        appointment = appointment_in(S.BEGUN)
        answer = comparison_with(appointment, kind)
        reclaiming = apply_action(A.RECLAIM, SyncStep(appointment, answer, a_change()))
        assert reclaiming.sync.intent is not None
        assert reclaiming.sync.intent.revision > max(answer.revision, appointment.sync.revision)
