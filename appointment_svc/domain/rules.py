"""Who may book for whom, what can be booked, and who may see an appointment."""

from __future__ import annotations

from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.booking import BookingParties
from appointment_svc.domain.refusals import (
    DoctorInactive,
    DoctorNotAccepting,
    NoSuchAppointment,
    PatientInactive,
    PatientRequired,
    ServiceInactive,
)
from shared.contracts.http import DoctorRules, PatientSummary
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NoSuchPatient


def patient_to_book(caller: Caller, patient_id: UUID | None) -> UUID:
    """Return the patient to book for: staff must name one, patients who name none book for themselves. Raise PatientRequired."""
    if caller.is_staff and patient_id is None:
        raise PatientRequired(pointer="/patient_id")
    return patient_id or caller.id


def require_may_book(caller: Caller, patient: PatientSummary) -> None:
    """Raise NoSuchPatient unless the caller is staff, the patient, or one of the patient's guardians."""
    if not caller.is_staff and caller.id != patient.id and caller.id not in patient.guardian_ids:
        raise NoSuchPatient


def require_bookable(caller: Caller, parties: BookingParties) -> None:
    """Raise a refusal if service, doctor or patient cannot be booked. The calendar decides about the time."""
    if not parties.service.active:
        raise ServiceInactive
    if parties.doctor and not parties.doctor.active:
        raise DoctorInactive
    if parties.doctor and not parties.doctor.accepting_patients and not caller.is_staff:
        raise DoctorNotAccepting
    if not parties.patient.active:
        raise PatientInactive


def require_active(doctor: DoctorRules, patient: PatientSummary) -> None:
    """Raise DoctorInactive or PatientInactive if one of them cannot have appointments any more."""
    if not doctor.active:
        raise DoctorInactive
    if not patient.active:
        raise PatientInactive


def could_be_guardian(caller: Caller, patient_id: UUID) -> bool:
    """Return True for patients other than this one: only they can be the guardian of this one."""
    return caller.role is Role.PATIENT and caller.id != patient_id


def may_repeat(caller: Caller, appointment: Appointment, operation_id: UUID) -> bool:
    """Return whether a doctor repeats the operation that made the latest change, which may have given the visit to another doctor."""
    return caller.role is Role.DOCTOR and appointment.was_last_changed_by(operation_id)


def require_visible(caller: Caller, appointment: Appointment, dependant_id: UUID | None = None) -> Appointment:
    """Return the appointment if the caller may see it; raise NoSuchAppointment otherwise.

    Patients and doctors see their own appointments, staff see all. `dependant_id` is a patient for whom the caller may act as a guardian.
    """
    participant_id = {Role.PATIENT: appointment.patient_id, Role.DOCTOR: appointment.doctor_id}.get(caller.role)
    is_guardian = dependant_id is not None and dependant_id == appointment.patient_id
    if not caller.is_staff and not is_guardian and participant_id != caller.id:
        raise NoSuchAppointment
    return appointment
