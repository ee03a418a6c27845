"""Why scheduling-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NotFound


class SlotTaken(Conflict):
    """The time is taken; `alternatives` were free when this was written."""

    code = "slot_taken"
    detail = "The time is taken; `alternatives` were free when this was written."


class SlotHeld(Conflict):
    """Someone else holds the time; `available_again_at` tells until when."""

    code = "slot_held"
    detail = "Someone else holds the time; `available_again_at` tells until when."


class PatientBusy(Conflict):
    """The patient has another appointment then; `alternatives` were free when this was written."""

    code = "patient_busy"
    detail = "The patient has another appointment then; `alternatives` were free when this was written."


class NotBookable(Invalid):
    """This time cannot be booked; `reasons` say why."""

    code = "not_bookable"
    detail = "This time cannot be booked; `reasons` say why."


class ReservationReleased(Conflict):
    """The reservation was released after this was asked for."""

    code = "reservation_released"
    detail = "The reservation was released after this was asked for."


class HoldMismatch(Conflict):
    """This hold is not yours, or for another service, doctor or time."""

    code = "hold_mismatch"
    detail = "This hold is not yours, or for another service, doctor or time."


class HoldExpired(Conflict):
    """The hold is over; the time may still be free."""

    code = "hold_expired"
    detail = "The hold is over; the time may still be free."


class HoldExtended(Conflict):
    """A hold can be extended once."""

    code = "hold_extended"
    detail = "A hold can be extended once."


class TooManyHolds(Conflict):
    """You hold as many times as one may at once."""

    code = "too_many_holds"
    detail = "You hold as many times as one may at once."


class NoSuchHold(NotFound):
    """There is no such hold, or it is not yours."""

    code = "no_such_hold"
    detail = "There is no such hold, or it is not yours."


class AffectedChanged(Conflict):
    """The appointments in this time are not the ones that you decided about; `affected` are those that stand there now."""

    code = "affected_changed"
    detail = "The appointments in this time are not the ones that you decided about; `affected` are those that stand there now."


class TooManyAffected(Invalid):
    """More appointments stand in this time than can be decided about at once: take it in parts."""

    code = "too_many_affected"
    detail = "More appointments stand in this time than can be decided about at once: take it in parts."


class TargetRequired(Invalid):
    """Say where a moved appointment goes: `starts_at`, and `doctor_id` where it is another doctor; the others go nowhere."""

    code = "target_required"
    detail = "Say where a moved appointment goes: `starts_at`, and `doctor_id` where it is another doctor; the others go nowhere."


class DecidedTwice(Invalid):
    """Decide about each appointment once."""

    code = "decided_twice"
    detail = "Decide about each appointment once."


class AlreadyOver(Invalid):
    """This time is over."""

    code = "already_over"
    detail = "This time is over."


class NoSuchLeave(NotFound):
    """There is no such leave, or it is not yours."""

    code = "no_such_leave"
    detail = "There is no such leave, or it is not yours."


class NoSuchFeed(NotFound):
    """There is no such calendar, or its link has ended."""

    code = "no_such_feed"
    detail = "There is no such calendar, or its link has ended."


class NoSuchClosure(NotFound):
    """There is no such closure."""

    code = "no_such_closure"
    detail = "There is no such closure."


class UnknownService(Invalid):
    """There is no such service."""

    code = "unknown_service"
    detail = "There is no such service."


class UnknownDoctor(Invalid):
    """There is no such doctor."""

    code = "unknown_doctor"
    detail = "There is no such doctor."


class RangeReversed(Invalid):
    """`from` must be before `to`."""

    code = "range_reversed"
    detail = "`from` must be before `to`."


class RangeTooLong(Invalid):
    """The range is longer than can be answered at once."""

    code = "range_too_long"
    detail = "The range is longer than can be answered at once."


class NoSuchDoctor(NotFound):
    """There is no such doctor, or it is not for you to act for them."""

    code = "no_such_doctor"
    detail = "There is no such doctor, or it is not for you to act for them."


class NoSuchReservation(NotFound):
    """There is no such reservation, or it is not yours."""

    code = "no_such_reservation"
    detail = "There is no such reservation, or it is not yours."
