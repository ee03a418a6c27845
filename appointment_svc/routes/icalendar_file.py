"""The appointment as an iCalendar file, without service, reason or anything else about health."""

from __future__ import annotations

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from shared.kit.icalendar import CalendarEvent, EventStatus, calendar_file

EVENT_STATUS: dict[AppointmentStatus, EventStatus] = {
    AppointmentStatus.PENDING: "TENTATIVE",
    AppointmentStatus.REQUESTED: "TENTATIVE",
    AppointmentStatus.CANCELLED: "CANCELLED",
    AppointmentStatus.DECLINED: "CANCELLED",
    AppointmentStatus.REFUSED: "CANCELLED",
    AppointmentStatus.EXPIRED: "CANCELLED",
}  # all others are "CONFIRMED"


def to_icalendar(appointment: Appointment) -> bytes:
    """Return a calendar with one event. Its UID never changes, and is the one of the emails."""
    doctor = appointment.doctor
    event = CalendarEvent(
        uid=f"{appointment.id}@careslot",
        stamped_at=appointment.updated_at,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        summary=f"Appointment with {' '.join(filter(None, (doctor.title, doctor.full_name)))}" if doctor else "Appointment",
        sequence=appointment.sequence,
        status=EVENT_STATUS.get(appointment.status, "CONFIRMED"),
        location=doctor.location if doctor else None,
    )
    return calendar_file([event], method="PUBLISH")
