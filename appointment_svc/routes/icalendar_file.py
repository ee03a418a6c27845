"""The appointment as an iCalendar file, without service, reason or anything else about health."""

from __future__ import annotations

from appointment_svc.domain.appointment import Appointment
from shared.contracts.calendar_entries import entry_location, entry_status, entry_uid
from shared.contracts.clinic import ClinicProfile
from shared.kit.icalendar import CalendarEvent, calendar_file

BY_MODE = {"in_person": "Appointment", "video": "Video appointment", "phone": "Phone appointment"}


def to_icalendar(appointment: Appointment, clinic: ClinicProfile) -> bytes:
    """Return a calendar with one event, which says how the visit takes place; only a visit in person has a location.

    The UID never changes, and is the one of the emails. There is no METHOD: without an organizer this is a plain file (RFC 5546).
    """
    doctor, mode = appointment.doctor, appointment.service.mode
    event = CalendarEvent(
        uid=entry_uid(appointment.id),
        stamped_at=appointment.updated_at,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        summary=f"{BY_MODE[mode]} with {' '.join(filter(None, (doctor.title, doctor.full_name)))}" if doctor else BY_MODE[mode],
        sequence=appointment.sequence,
        status=entry_status(appointment.status),
        location=entry_location(mode, doctor.location, clinic.address) if doctor else None,
    )
    return calendar_file([event])
