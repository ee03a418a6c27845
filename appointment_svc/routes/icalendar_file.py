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


BY_MODE = {"in_person": "Appointment", "video": "Video appointment", "phone": "Phone appointment"}


def to_icalendar(appointment: Appointment) -> bytes:
    """Return a calendar with one event, which says how the visit takes place; only a visit in person has a location.

    The UID never changes, and is the one of the emails. There is no METHOD: without an organizer this is a plain file (RFC 5546).
    """
    doctor, mode = appointment.doctor, appointment.service.mode
    event = CalendarEvent(
        uid=f"{appointment.id}@careslot",
        stamped_at=appointment.updated_at,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        summary=f"{BY_MODE[mode]} with {' '.join(filter(None, (doctor.title, doctor.full_name)))}" if doctor else BY_MODE[mode],
        sequence=appointment.sequence,
        status=EVENT_STATUS.get(appointment.status, "CONFIRMED"),
        location=doctor.location if doctor and mode == "in_person" else None,
    )
    return calendar_file([event])
