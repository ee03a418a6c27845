"""Who may book for whom, and see what."""

from __future__ import annotations

from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import (
    DoctorInactive,
    DoctorNotAccepting,
    NoSuchAppointment,
    NoSuchPatient,
    PatientInactive,
    PatientRequired,
    ServiceInactive,
    TooManyActive,
)
from appointment_svc.domain.snapshots import Cards
from shared.contracts.identity import Caller, Role


def patient_of(by: Caller, patient_id: UUID | None) -> UUID:
    """Patients book for themselves, staff for anyone they name."""
    if by.is_staff:
        if patient_id is None:
            raise PatientRequired(pointer="/patient_id")
        return patient_id
    if patient_id not in (None, by.id):
        raise NoSuchPatient
    return by.id


def may_be_booked(by: Caller, cards: Cards, open_ones: int, most: int) -> None:
    """All that the calendar does not decide."""
    if not cards.service.active:
        raise ServiceInactive
    if cards.doctor and not cards.doctor.active:
        raise DoctorInactive
    if cards.doctor and not cards.doctor.accepting_patients and not by.is_staff:
        raise DoctorNotAccepting
    if not cards.patient.active:
        raise PatientInactive
    if open_ones >= most:
        raise TooManyActive(limit=most)


def seen_by(by: Caller, appointment: Appointment) -> Appointment:
    """Patients see their own, doctors their patients' with them, staff all; for others it does not exist."""
    own = {Role.PATIENT: appointment.patient.id, Role.DOCTOR: appointment.doctor_id}.get(by.role)
    if not by.is_staff and own != by.id:
        raise NoSuchAppointment
    return appointment
