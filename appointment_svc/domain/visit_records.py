"""What other services read of all appointments, for the booking history and for reports: ids, times and states, and names to show."""

from __future__ import annotations

from collections.abc import Iterable

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import TOPICS
from shared.contracts.booking_history import AppointmentSnapshot, DoctorName, ServiceName, VisitRecord


def visit_records(appointments: Iterable[Appointment]) -> list[VisitRecord]:
    """Return the records of appointments about which events were published: neither pending nor refused ones, and none without a doctor."""
    published = [appointment for appointment in appointments if appointment.status in TOPICS]
    return [
        VisitRecord(
            appointment_id=appointment.id,
            version=appointment.version,
            status=appointment.status.value,
            service_id=appointment.service.id,
            doctor_id=appointment.doctor.id,
            patient_id=appointment.patient_id,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            time_zone=appointment.time_zone,
            booked_at=appointment.created_at,
            booked_by=appointment.booked_by,
            capacity=appointment.service.capacity,
            confirmed_at=appointment.confirmed_at,
        )
        for appointment in published
        if appointment.doctor is not None
    ]


def snapshot_of(appointment: Appointment) -> AppointmentSnapshot:
    """Return what an appointment shows of its service and doctor."""
    service, doctor = appointment.service, appointment.doctor
    return AppointmentSnapshot(
        appointment_id=appointment.id,
        service=ServiceName(id=service.id, name=service.name, mode=service.mode),
        doctor=DoctorName(id=doctor.id, full_name=doctor.full_name, title=doctor.title) if doctor else None,
    )
