"""Refusals that one service raises and another passes on to its caller; both document them."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Forbidden, Invalid, NotFound, TooMany, facts

EXAMPLE_ALTERNATIVES = [
    {"doctor_id": "01a206b9-ffc9-726c-b520-6c5fbdafecf3", "starts_at": "2026-03-09T13:30:00Z"},
    {"doctor_id": "01a206b9-ffc9-726c-b520-6c5fbdafecf3", "starts_at": "2026-03-09T14:00:00Z"},
]


class SlotTaken(Conflict):
    """Raised when the time is booked already. The fact `alternatives` lists starts that were free at that moment."""

    code = "slot_taken"
    detail = "The time slot is already booked."
    remedy = "Offer one of `alternatives`, or ask for free times again with `GET /slots`."
    example_facts = facts(alternatives=EXAMPLE_ALTERNATIVES)


class SlotHeld(Conflict):
    """Raised when somebody else holds the time. Facts: `available_again_at` (instant) and `alternatives`."""

    code = "slot_held"
    detail = "The time slot is held by somebody else."
    remedy = "Offer one of `alternatives`, or try again after `available_again_at`: the hold ends then unless it becomes a booking."
    example_facts = facts(available_again_at="2026-03-06T08:20:00Z", alternatives=EXAMPLE_ALTERNATIVES)


class PatientBusy(Conflict):
    """Raised when the patient has another appointment at that time. The fact `alternatives` lists free starts."""

    code = "patient_busy"
    detail = "The patient has another appointment at this time."
    remedy = "Choose another time, or move the patient's other appointment first."
    example_facts = facts(alternatives=EXAMPLE_ALTERNATIVES)


class HoldMismatch(Conflict):
    """Raised when a hold belongs to another caller, or to another service, doctor or start."""

    code = "hold_mismatch"
    detail = "This hold is not yours, or it is for another service, doctor or time."
    remedy = "Book with the hold of the same caller, service, doctor and start, or without `hold_id`."


class HoldExpired(Conflict):
    """Raised when a hold has ended. The time may still be free. A booking gets the fact `alternatives`."""

    code = "hold_expired"
    detail = "The hold has expired; the time may still be free."
    remedy = "Book without `hold_id`, or hold the time again; offer one of `alternatives` if it is taken by now."
    example_facts = facts(alternatives=EXAMPLE_ALTERNATIVES)


class ReservationReleased(Conflict):
    """Raised when a reservation was released after the request for it was made."""

    code = "reservation_released"
    detail = "The reservation was released after this request was made."


class NotBookable(Invalid):
    """Raised when the rules of the calendar exclude a start. The fact `reasons` lists `{code, detail}`."""

    code = "not_bookable"
    detail = "This time cannot be booked; `reasons` says why."
    remedy = "Choose a start from `GET /slots`. `reasons` says what excludes this one, and `GET /slots/explain` asks for it beforehand."
    example_facts = facts(reasons=[{"code": "outside_hours", "detail": "The visit does not lie within the doctor's working hours."}])


class NoSuchDoctor(NotFound):
    """Raised when a doctor does not exist, or the caller may not act for them."""

    code = "no_such_doctor"
    detail = "There is no such doctor."
    remedy = "Choose a doctor from `GET /doctors`."


class NoSuchService(NotFound):
    """Raised when a service type does not exist."""

    code = "no_such_service"
    detail = "There is no such service."
    remedy = "Choose a service from `GET /services`."


class NoSuchPatient(NotFound):
    """Raised when a patient does not exist, or the caller may not act for them."""

    code = "no_such_patient"
    detail = "There is no such patient, or you may not act for them."


class UnknownService(Invalid):
    """Raised when a field of the request names a service type that does not exist."""

    code = "unknown_service"
    detail = "There is no such service."
    remedy = "Choose a service from `GET /services`."
    example_facts = facts(unknown=["01a206b9-ffc9-726c-b520-6c5fbdafecf3"])
    example_pointers = ("/services", "/service_id")


class EmailTaken(Conflict):
    """Raised when another account has this email address."""

    code = "email_taken"
    detail = "Another account has this email address."
    remedy = "Sign in with this address, or set a new password with `POST /auth/password/forgot`."
    example_pointers = ("/email",)


class LastAdmin(Conflict):
    """Raised when a change would leave the clinic without an active admin."""

    code = "last_admin"
    detail = "This is the last active admin of the clinic."
    remedy = "Make another user an admin first."


class RateLimited(TooMany):
    """Raised by the gateway when an account or an address sends too many requests. The fact `retry_after` is in seconds.

    Nothing was done, and the refused request does not count. Every operation documents this refusal.
    """

    code = "rate_limited"
    detail = "Too many requests; send this one again after the time in Retry-After."
    remedy = "Wait for the seconds in `Retry-After` and send the request again. `RateLimit` in every response says how much is left."
    example_facts = facts(retry_after=12)


class NoSuchDeadLetter(NotFound):
    """Raised when no service has this dead letter."""

    code = "no_such_dead_letter"
    detail = "There is no such dead letter."
    remedy = "List the dead letters again with `GET /admin/dead-letters`: a replayed one is deleted after 30 days."


class IdempotencyKeyReused(Invalid):
    """Raised when the key was used with another request."""

    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was used with another request."
    remedy = "Use a new key for a new request. Repeat a request with everything as it was."
    example_pointers = ("/Idempotency-Key",)


class PatientWasMerged(NotFound):
    """Raised for staff who ask for a patient who was merged into another one. The fact `merged_into` is the other one."""

    code = "patient_merged"
    detail = "This patient was merged into another one."
    remedy = "Use the patient that `merged_into` names."
    example_facts = facts(merged_into="01a206b9-ffc9-726c-b520-6c5fbdafecf3")


class OverrideNotAllowed(Forbidden):
    """Raised when a caller who is not staff sends an override, or reception one that the clinic does not leave to them."""

    code = "override_not_allowed"
    detail = "You may not lift this rule of the calendar."
    remedy = "Choose a start from `GET /slots`, or ask an admin. The clinic decides which rules the reception may lift."
    example_pointers = ("/override",)
