"""The decision table of the calendar synchronisation.

An appointment and its reservation in the calendar are stored by two services. `next_action` looks up in `DECISIONS` what follows from the
situation of an appointment and an answer of the calendar. It is used after every request to the calendar, after a doctor's leave, and by
the job that compares both sides. The tests enumerate the table and README.md shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.calendar_sync import Intent, IntentKind
from shared.contracts.appointments import OverrideCode
from shared.contracts.http import Reservation, ReserveTime
from shared.contracts.refusals import Refusal
from shared.contracts.relayed_refusals import ReservationReleased


class Situation(StrEnum):
    """The intent of an appointment; without an intent, how far the visit is."""

    BOOKING = "booking"
    MOVING = "moving"
    RESTORING = "restoring"
    RESTORING_RESERVED = "restoring_reserved"  # a missed or checked-in appointment still has its reservation
    RECLAIMING = "reclaiming"
    RELEASING = "releasing"
    UPCOMING = "upcoming"  # booked or requested
    BEGUN = "begun"  # checked in, in progress, completed or missed
    ENDED = "ended"  # cancelled, declined, expired or refused


class AnswerKind(StrEnum):
    """What the calendar answered: the first five to a request, the others (and RELEASED) when it is asked for the reservation."""

    GRANTED = "granted"  # the requested time and doctor
    REPLACED = "replaced"  # another reservation: a leave moved it before the request arrived
    RELEASED = "released"  # no reservation any more
    REFUSED = "refused"
    RELEASE_CONFIRMED = "release_confirmed"
    SAME = "same"  # the appointment's time, doctor and patient
    ELSEWHERE = "elsewhere"  # another time or doctor
    OUTDATED = "outdated"  # another time or doctor, or none, but older than the appointment's last request; or a former patient
    BEING_RELEASED = "being_released"  # the reservation that the appointment's intent releases
    MISSING = "missing"  # there never was a reservation


class SyncAction(StrEnum):
    """What is written in consequence; `sync_outcomes.py` has one function for each."""

    CONFIRM_BOOKING = "confirm_booking"
    CONFIRM_MOVE = "confirm_move"
    CONFIRM_RESTORE = "confirm_restore"
    CONFIRM_RECLAIM = "confirm_reclaim"
    REFUSE_BOOKING = "refuse_booking"
    REFUSE_BOOKING_AND_RELEASE = "refuse_booking_and_release"
    REFUSE_CHANGE = "refuse_change"
    REFUSE_CHANGE_AND_RECLAIM = "refuse_change_and_reclaim"
    REFUSE_CHANGE_AND_RELEASE = "refuse_change_and_release"
    DROP_INTENT = "drop_intent"
    FOLLOW = "follow"
    CANCEL = "cancel"
    RECLAIM = "reclaim"
    RELEASE = "release"
    NOTE_REVISION = "note_revision"
    NOTHING = "nothing"


S, C, A = Situation, AnswerKind, SyncAction
DECISIONS: dict[tuple[Situation, AnswerKind], SyncAction] = {
    (S.BOOKING, C.GRANTED): A.CONFIRM_BOOKING,
    (S.BOOKING, C.REPLACED): A.REFUSE_BOOKING_AND_RELEASE,
    (S.BOOKING, C.RELEASED): A.REFUSE_BOOKING_AND_RELEASE,
    (S.BOOKING, C.REFUSED): A.REFUSE_BOOKING,
    (S.MOVING, C.GRANTED): A.CONFIRM_MOVE,
    (S.MOVING, C.REPLACED): A.REFUSE_CHANGE,
    (S.MOVING, C.RELEASED): A.REFUSE_CHANGE,
    (S.MOVING, C.REFUSED): A.REFUSE_CHANGE_AND_RECLAIM,
    (S.RESTORING, C.GRANTED): A.CONFIRM_RESTORE,
    (S.RESTORING, C.REPLACED): A.REFUSE_CHANGE_AND_RELEASE,
    (S.RESTORING, C.RELEASED): A.REFUSE_CHANGE_AND_RELEASE,
    (S.RESTORING, C.REFUSED): A.REFUSE_CHANGE,
    (S.RESTORING_RESERVED, C.GRANTED): A.CONFIRM_RESTORE,
    (S.RESTORING_RESERVED, C.REPLACED): A.REFUSE_CHANGE,
    (S.RESTORING_RESERVED, C.RELEASED): A.REFUSE_CHANGE,
    (S.RESTORING_RESERVED, C.REFUSED): A.REFUSE_CHANGE,
    (S.RECLAIMING, C.GRANTED): A.CONFIRM_RECLAIM,
    (S.RECLAIMING, C.REPLACED): A.DROP_INTENT,
    (S.RECLAIMING, C.RELEASED): A.DROP_INTENT,
    (S.RECLAIMING, C.REFUSED): A.REFUSE_CHANGE,
    (S.RELEASING, C.RELEASE_CONFIRMED): A.DROP_INTENT,
    (S.RELEASING, C.SAME): A.RELEASE,
    (S.RELEASING, C.ELSEWHERE): A.RELEASE,
    (S.RELEASING, C.RELEASED): A.NOTHING,
    (S.RELEASING, C.BEING_RELEASED): A.NOTHING,
    (S.RELEASING, C.MISSING): A.NOTHING,
    (S.UPCOMING, C.SAME): A.NOTE_REVISION,
    (S.UPCOMING, C.ELSEWHERE): A.FOLLOW,
    (S.UPCOMING, C.RELEASED): A.CANCEL,
    (S.UPCOMING, C.OUTDATED): A.RECLAIM,
    (S.UPCOMING, C.MISSING): A.RECLAIM,
    (S.BEGUN, C.SAME): A.NOTE_REVISION,
    (S.BEGUN, C.ELSEWHERE): A.RECLAIM,
    (S.BEGUN, C.RELEASED): A.RECLAIM,
    (S.BEGUN, C.OUTDATED): A.RECLAIM,
    (S.BEGUN, C.MISSING): A.RECLAIM,
    (S.ENDED, C.SAME): A.RELEASE,
    (S.ENDED, C.ELSEWHERE): A.RELEASE,
    (S.ENDED, C.RELEASED): A.NOTHING,
    (S.ENDED, C.MISSING): A.NOTHING,
}


@dataclass(frozen=True, slots=True)
class CalendarAnswer:
    """The calendar's answer, with the reservation or the refusal that it contained."""

    kind: AnswerKind
    reservation: Reservation | None = None
    refusal: Refusal | None = None

    @property
    def revision(self) -> int:
        """The revision of the reservation, 0 without one."""
        return self.reservation.revision if self.reservation else 0


def situation(appointment: Appointment) -> Situation:
    """Return the row of the decision table for an appointment."""
    intent = appointment.sync.intent
    if intent is None:
        if not appointment.has_reservation:
            return Situation.ENDED
        return Situation.BEGUN if appointment.has_begun else Situation.UPCOMING
    if intent.kind is IntentKind.RESTORE:
        return Situation.RESTORING_RESERVED if appointment.has_reservation else Situation.RESTORING
    return {
        IntentKind.BOOK: Situation.BOOKING,
        IntentKind.MOVE: Situation.MOVING,
        IntentKind.RECLAIM: Situation.RECLAIMING,
        IntentKind.RELEASE: Situation.RELEASING,
    }[intent.kind]


def answer_to_request(intent: Intent, reply: Reservation | Refusal) -> CalendarAnswer:
    """Return what the reply to a reservation request means for its intent."""
    if isinstance(reply, Refusal):
        return CalendarAnswer(AnswerKind.RELEASED if reply.code == ReservationReleased.code else AnswerKind.REFUSED, refusal=reply)
    return CalendarAnswer(AnswerKind.GRANTED if intent.is_fulfilled_by(reply) else AnswerKind.REPLACED, reply)


def answer_to_comparison(appointment: Appointment, reservation: Reservation | None, *, after_leave: bool) -> CalendarAnswer:
    """Return what the reservation that the calendar has means for an appointment.

    A leave raises the revision of the reservations that it changes. A reservation that is older than the appointment's last request is
    therefore OUTDATED, and not a decision of the clinic. After an event of a leave it is one: the last request may have been refused since.
    A reservation of the same time for a patient who was merged into another one since is OUTDATED, too; a leave has nothing to do with it.
    """
    if reservation is None:
        return CalendarAnswer(AnswerKind.MISSING)
    has_same_slot = reservation.live and appointment.slot == (reservation.starts_at, reservation.doctor_id)
    if reservation.live and appointment.sync.is_releasing(reservation.revision):
        kind = AnswerKind.BEING_RELEASED
    elif has_same_slot and (after_leave or reservation.patient_id == appointment.patient_id):
        kind = AnswerKind.SAME
    elif appointment.has_reservation and not after_leave and (has_same_slot or reservation.revision < appointment.sync.revision):
        kind = AnswerKind.OUTDATED
    else:
        kind = AnswerKind.ELSEWHERE if reservation.live else AnswerKind.RELEASED
    return CalendarAnswer(kind, reservation)


def reservation_request(appointment: Appointment, intent: Intent) -> ReserveTime:
    """Return the request to the calendar that an intent stands for."""
    return ReserveTime(
        service_id=appointment.service.id,
        doctor_id=intent.doctor.id if intent.doctor else None,
        patient_id=appointment.patient_id,
        starts_at=intent.starts_at,
        revision=intent.revision,
        by=intent.actor,
        hold_id=intent.hold_id,
        begun=intent.kind is IntentKind.RECLAIM and appointment.has_begun,
        service_version=appointment.service.version,
        doctor_version=intent.doctor.version if intent.doctor else 0,
        appointment_version=appointment.version,
        duration_minutes=appointment.service.duration_minutes,
        override=_lifted_rule(appointment, intent),
    )


def _lifted_rule(appointment: Appointment, intent: Intent) -> OverrideCode | None:
    """Return the rule to lift: that of the intent, or that of the appointment where the time that it has is requested again."""
    kept = appointment.overridden if intent.kind is IntentKind.RECLAIM else None
    override = intent.override or kept
    return override.code if override else None


def next_action(appointment: Appointment, answer: CalendarAnswer) -> SyncAction:
    """Return the decision for an appointment and an answer of the calendar."""
    return DECISIONS[situation(appointment), answer.kind]
