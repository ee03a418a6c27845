"""The refusals of appointment-service. Those that it relays from other services are in `shared/contracts/relayed_refusals.py`."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Gone, Invalid, NotFound, facts


class NoSuchAppointment(NotFound):
    """Raised when an appointment does not exist, or the caller may not see it."""

    code = "no_such_appointment"
    detail = "There is no such appointment, or it is not yours."


class PatientRequired(Invalid):
    """Raised when staff book without naming a patient."""

    code = "patient_required"
    detail = "Name the patient to book for."
    remedy = "Send `patient_id`."
    example_pointers = ("/patient_id",)


class IllegalMove(Conflict):
    """Raised when the status of an appointment does not allow an action. The fact `allowed` lists the statuses that can follow."""

    code = "illegal_move"
    detail = "The status of this appointment does not allow this action."
    remedy = "Choose one of the statuses in `allowed`, or read the appointment again: it may have changed meanwhile."
    example_facts = facts(allowed=["completed"])


class TooLate(Conflict):
    """Raised when a patient or doctor acts inside the cut-off. The fact `cutoff_minutes` is its length before the start."""

    code = "too_late"
    detail = "It is too late to do this online; please call the clinic."
    remedy = "Call the clinic: its staff may still do this."
    example_facts = facts(cutoff_minutes=1440)


class TooEarly(Conflict):
    """Raised when an appointment is marked as missed before its start, or checked in before the day of its start.

    The fact `starts_at` is the start.
    """

    code = "too_early"
    detail = "It is too early for this: the appointment has not begun yet."
    remedy = "Do this after `starts_at`; a check-in from the midnight before."
    example_facts = facts(starts_at="2026-03-09T13:00:00Z")


class TooManyActive(Conflict):
    """Raised when a patient has too many active appointments. The fact `limit` is how many are allowed."""

    code = "too_many_active"
    detail = "The patient has as many active appointments as this clinic allows."
    remedy = "Cancel an appointment that is no longer needed, or book after one has taken place."
    example_facts = facts(limit=20)


class DoctorNotAccepting(Conflict):
    """Raised when a patient books with a doctor who accepts no patients; reception and admin still can."""

    code = "doctor_not_accepting"
    detail = "The doctor accepts no new patients; the reception can still book."
    remedy = "Choose another doctor, or call the reception."


class DoctorInactive(Conflict):
    """Raised when a named doctor is not active."""

    code = "doctor_inactive"
    detail = "The doctor does not work here at present."
    remedy = "Choose another doctor."


class ServiceInactive(Conflict):
    """Raised when the service type is not active."""

    code = "service_inactive"
    detail = "The service is not offered at present."
    remedy = "Choose another service."


class PatientInactive(Conflict):
    """Raised when the patient's account is closed."""

    code = "patient_inactive"
    detail = "The patient's account is closed."


class NoSuchVisitLink(NotFound):
    """Raised when no appointment has the link with this token."""

    code = "no_such_link"
    detail = "There is no such link."
    remedy = "Use the link exactly as it is in the mail, all of it."


class VisitLinkExpired(Gone):
    """Raised when the appointment of a link has begun or ended, or when the recipient of the link may not act for the patient any more."""

    code = "link_expired"
    detail = "This link has expired: the visit has begun, was cancelled or has ended, or the link is no longer yours to use."
    remedy = "Sign in to see the appointment, or call the clinic."


class VisitChanged(Conflict):
    """Raised when an appointment has changed since its link was opened. The fact `sequence` is the current one."""

    code = "visit_changed"
    detail = "The appointment has changed since you opened the link."
    remedy = "Read the link again, and repeat the request with the new `sequence` if the visit still suits."
    example_facts = facts(sequence=1)
