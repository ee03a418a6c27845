"""Why appointment-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NotFound

# What the calendar and doctor-service refuse reaches the client as it was said; these are its names in our pages.


class SlotTaken(Conflict):
    """The time is taken; `alternatives` were free when this was written."""

    code = "slot_taken"
    detail = "The time is taken; `alternatives` were free when this was written."


class SlotHeld(Conflict):
    """Someone else holds the time; `available_again_at` tells until when, and `alternatives` were free when this was written."""

    code = "slot_held"
    detail = "Someone else holds the time; `available_again_at` tells until when, and `alternatives` were free when this was written."


class HoldMismatch(Conflict):
    """This hold is not yours, or for another time, doctor or service."""

    code = "hold_mismatch"
    detail = "This hold is not yours, or for another time, doctor or service."


class HoldExpired(Conflict):
    """The hold is over; the time may still be free."""

    code = "hold_expired"
    detail = "The hold is over; the time may still be free."


class PatientBusy(Conflict):
    """The patient has another appointment then; `alternatives` were free when this was written."""

    code = "patient_busy"
    detail = "The patient has another appointment then; `alternatives` were free when this was written."


class NotBookable(Invalid):
    """This time cannot be booked; `reasons` say why."""

    code = "not_bookable"
    detail = "This time cannot be booked; `reasons` say why."


class NoSuchDoctor(NotFound):
    """There is no such doctor."""

    code = "no_such_doctor"
    detail = "There is no such doctor."


class NoSuchService(NotFound):
    """There is no such service."""

    code = "no_such_service"
    detail = "There is no such service."


class NoSuchAppointment(NotFound):
    """There is no such appointment, or it is not yours."""

    code = "no_such_appointment"
    detail = "There is no such appointment, or it is not yours."


class NoSuchPatient(NotFound):
    """There is no such patient, or it is not for you to book for them."""

    code = "no_such_patient"
    detail = "There is no such patient, or it is not for you to book for them."


class PatientRequired(Invalid):
    """Say for which patient."""

    code = "patient_required"
    detail = "Say for which patient."


class IllegalMove(Conflict):
    """An appointment in this status cannot do that."""

    code = "illegal_move"
    detail = "An appointment in this status cannot do that."


class TooLate(Conflict):
    """It is too late for that; please call the clinic."""

    code = "too_late"
    detail = "It is too late for that; please call the clinic."


class TooEarly(Conflict):
    """The appointment has not begun yet."""

    code = "too_early"
    detail = "The appointment has not begun yet."


class TooManyActive(Conflict):
    """The patient has as many open appointments as this clinic allows."""

    code = "too_many_active"
    detail = "The patient has as many open appointments as this clinic allows."


class DoctorNotAccepting(Conflict):
    """The doctor takes no new patients; the front desk can still book."""

    code = "doctor_not_accepting"
    detail = "The doctor takes no new patients; the front desk can still book."


class DoctorInactive(Conflict):
    """The doctor does not work here now."""

    code = "doctor_inactive"
    detail = "The doctor does not work here now."


class ServiceInactive(Conflict):
    """The service is not on offer now."""

    code = "service_inactive"
    detail = "The service is not on offer now."


class PatientInactive(Conflict):
    """The patient's account is closed."""

    code = "patient_inactive"
    detail = "The patient's account is closed."
