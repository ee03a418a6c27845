"""The appointment as an iCalendar file (RFC 5545), without service, reason or anything else about health."""

from __future__ import annotations

from datetime import UTC

from icalendar import Calendar, Event

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus

STATUS = {
    AppointmentStatus.PENDING: "TENTATIVE",
    AppointmentStatus.REQUESTED: "TENTATIVE",
    AppointmentStatus.CANCELLED: "CANCELLED",
    AppointmentStatus.DECLINED: "CANCELLED",
    AppointmentStatus.REFUSED: "CANCELLED",
    AppointmentStatus.EXPIRED: "CANCELLED",
}  # all others are "CONFIRMED"


def to_icalendar(appointment: Appointment) -> bytes:
    """Return a calendar with one event, times in UTC. Its UID never changes, and is the one of the emails."""
    doctor, event, calendar = appointment.doctor, Event(), Calendar()
    event.add("uid", f"{appointment.id}@careslot")
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", appointment.updated_at.astimezone(UTC))
    event.add("dtstart", appointment.starts_at.astimezone(UTC))
    event.add("dtend", appointment.ends_at.astimezone(UTC))
    event.add("summary", f"Appointment with {' '.join(filter(None, (doctor.title, doctor.full_name)))}" if doctor else "Appointment")
    event.add("status", STATUS.get(appointment.status, "CONFIRMED"))
    if doctor and doctor.location:
        event.add("location", doctor.location)
    calendar.add("prodid", "-//Careslot//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
