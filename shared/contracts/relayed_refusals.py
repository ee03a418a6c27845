"""Refusals that one service raises and another passes on to its caller; both document them."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NotFound, TooMany


class SlotTaken(Conflict):
    """Raised when the time is booked already. The fact `alternatives` lists starts that were free at that moment."""

    code = "slot_taken"
    detail = "The time slot is already booked."


class SlotHeld(Conflict):
    """Raised when somebody else holds the time. Facts: `available_again_at` (instant) and `alternatives`."""

    code = "slot_held"
    detail = "The time slot is held by somebody else."


class PatientBusy(Conflict):
    """Raised when the patient has another appointment at that time. The fact `alternatives` lists free starts."""

    code = "patient_busy"
    detail = "The patient has another appointment at this time."


class HoldMismatch(Conflict):
    """Raised when a hold belongs to another caller, or to another service, doctor or start."""

    code = "hold_mismatch"
    detail = "This hold is not yours, or it is for another service, doctor or time."


class HoldExpired(Conflict):
    """Raised when a hold has ended. The time may still be free."""

    code = "hold_expired"
    detail = "The hold has expired; the time may still be free."


class ReservationReleased(Conflict):
    """Raised when a reservation was released after the request for it was made."""

    code = "reservation_released"
    detail = "The reservation was released after this request was made."


class NotBookable(Invalid):
    """Raised when the rules of the calendar exclude a start. The fact `reasons` lists `{code, detail}`."""

    code = "not_bookable"
    detail = "This time cannot be booked; `reasons` says why."


class NoSuchDoctor(NotFound):
    """Raised when a doctor does not exist, or the caller may not act for them."""

    code = "no_such_doctor"
    detail = "There is no such doctor."


class NoSuchService(NotFound):
    """Raised when a service type does not exist."""

    code = "no_such_service"
    detail = "There is no such service."


class NoSuchPatient(NotFound):
    """Raised when a patient does not exist, or the caller may not act for them."""

    code = "no_such_patient"
    detail = "There is no such patient, or you may not act for them."


class UnknownService(Invalid):
    """Raised when a field of the request names a service type that does not exist."""

    code = "unknown_service"
    detail = "There is no such service."


class EmailTaken(Conflict):
    """Raised when another account has this email address."""

    code = "email_taken"
    detail = "Another account has this email address."


class LastAdmin(Conflict):
    """Raised when a change would leave the clinic without an active admin."""

    code = "last_admin"
    detail = "This is the last active admin of the clinic."


class RateLimited(TooMany):
    """Raised by the gateway when an account or an address sends too many requests. The fact `retry_after` is in seconds.

    Nothing was done, and the request itself does not count. Every operation documents it.
    """

    code = "rate_limited"
    detail = "Too many requests; send this one again after the time in Retry-After."
