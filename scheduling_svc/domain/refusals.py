"""The refusals that only scheduling-service raises; those that appointment-service passes on are in shared.contracts.relayed_refusals."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NotFound, facts
from shared.contracts.relayed_refusals import EXAMPLE_ALTERNATIVES


class HoldExtended(Conflict):
    """Raised when a hold is extended a second time."""

    code = "hold_extended"
    detail = "A hold can be extended only once."
    remedy = "Book now, or hold the time again when the hold has expired."


class TooManyHolds(Conflict):
    """Raised when the caller already has the maximum number of holds. The fact `limit` is that number."""

    code = "too_many_holds"
    detail = "You already hold the maximum number of times."
    remedy = "Release a hold with `DELETE /holds/{id}`, or wait until one has expired."
    example_facts = facts(limit=3)


class NoSuchHold(NotFound):
    """Raised when a hold does not exist or belongs to another caller."""

    code = "no_such_hold"
    detail = "There is no such hold, or it is not yours."


class AffectedChanged(Conflict):
    """Raised when other appointments are in the time of a leave than those decided about. The fact `affected` lists those in it now."""

    code = "affected_changed"
    detail = "Your decisions are not about the appointments that are in this time now; `affected` lists these."
    remedy = "Decide about the appointments in `affected` and send the leave again."
    example_facts = facts(
        affected=[
            {
                "appointment_id": "01a206b9-ffc9-726c-b520-6c5fbdafecf3",
                "starts_at": "2026-03-09T13:00:00Z",
                "proposals": EXAMPLE_ALTERNATIVES,
            }
        ]
    )


class TooManyAffected(Invalid):
    """Raised when too many appointments are in the time of a leave. The fact `limit` is the maximum."""

    code = "too_many_affected"
    detail = "More appointments are in this time than can be decided about at once; take the leave in parts."
    example_facts = facts(limit=200)
    example_pointers = ("/ends_at",)


class TargetRequired(Invalid):
    """Raised when a decision to move has no start, or another decision has one."""

    code = "target_required"
    detail = "An appointment that moves needs `starts_at`, and `doctor_id` for another doctor; the others must have neither."
    example_pointers = ("/affected/0/starts_at",)


class DecidedTwice(Invalid):
    """Raised when there are two decisions about one appointment."""

    code = "decided_twice"
    detail = "There must be one decision per appointment."
    example_pointers = ("/affected",)


class AlreadyOver(Invalid):
    """Raised when a leave or a closure would end in the past."""

    code = "already_over"
    detail = "This time is already over."
    example_pointers = ("/ends_at", "/to")


class NoSuchLeave(NotFound):
    """Raised when a leave does not exist or belongs to another doctor."""

    code = "no_such_leave"
    detail = "There is no such leave, or it is not yours."


class NoSuchFeed(NotFound):
    """Raised when the link of an agenda subscription does not exist or has ended."""

    code = "no_such_feed"
    detail = "There is no such calendar, or its link has ended."


class NoSuchClosure(NotFound):
    """Raised when a closure does not exist or was lifted."""

    code = "no_such_closure"
    detail = "There is no such closure."


class UnknownDoctor(Invalid):
    """Raised when a field of the request names a doctor who does not exist."""

    code = "unknown_doctor"
    detail = "There is no such doctor."
    remedy = "Choose a doctor from `GET /doctors`."
    example_pointers = ("/affected", "/doctor_id")


class NoSuchReservation(NotFound):
    """Raised when an appointment has no reservation, or the caller may not see it."""

    code = "no_such_reservation"
    detail = "There is no such reservation, or it is not yours."
