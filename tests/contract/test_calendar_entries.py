"""The calendar file of the API and the one of the mail are about the same entry: a calendar that reads both shows one visit."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from icalendar import Calendar

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.routes.icalendar_file import to_icalendar
from notify_svc.clients.email_renderer import JinjaEmailRenderer
from notify_svc.domain.mail_content import AppointmentDetails, MailContent
from notify_svc.domain.notifications import Audience, notifications_for
from shared.contracts.clinic import ClinicProfile
from shared.contracts.events import AppointmentEvent
from tests.running import NOON
from tests.unit.appointment.builders import TEN, a_change, a_doctor_snapshot, an_appointment
from tests.unit.notify.builders import CLINIC, a_recipient, message_for

SHARED_PROPERTIES = ("UID", "SEQUENCE", "DTSTART", "DTEND", "SUMMARY", "LOCATION", "STATUS")


def entry_of(file: bytes | str) -> dict[str, Any]:
    (event,) = Calendar.from_ical(file).walk("VEVENT")
    return {name: event[name].to_ical() for name in SHARED_PROPERTIES if name in event}


def mail_about(appointment: Appointment) -> tuple[AppointmentEvent, Any]:
    """Return the event of the appointment's last change and the patient's mail about it."""
    change, doctor = appointment.unsaved_change, appointment.doctor
    assert change is not None
    assert change.event is not None
    assert doctor is not None
    (notification,) = [sent for sent in notifications_for(change.event) if sent.audience is Audience.PATIENT]
    message = message_for(notification.event, notification.kind, Audience.PATIENT)
    details = AppointmentDetails(f"{doctor.title} {doctor.full_name}", doctor.location, appointment.patient.full_name)
    rendered = JinjaEmailRenderer(CLINIC).render(MailContent(message, a_recipient(), details), NOON)
    return change.event, message_from_bytes(rendered.content, policy=policy.default)


def approved(appointment: Appointment) -> Appointment:
    return appointment.approve(a_change())


def declined(appointment: Appointment) -> Appointment:
    return appointment.decline(a_change())


def amended(appointment: Appointment) -> Appointment:
    doctor: DoctorSnapshot = a_doctor_snapshot(full_name="Ada Schwarz", location="New Street 1", version=2)
    return appointment.follow_doctor(doctor, a_change())


@pytest.mark.parametrize("mode", ["in_person", "video", "phone"])
@pytest.mark.parametrize("change", [approved, declined, amended])
def test_the_mails_calendar_file_says_the_same_as_the_apis(change: Any, mode: str) -> None:
    appointment = change(an_appointment(AppointmentStatus.REQUESTED, service={"mode": mode}, starts_at=TEN))
    event, mail = mail_about(appointment)
    attached = next(mail.iter_attachments()).get_content()
    assert entry_of(attached) == entry_of(to_icalendar(appointment, ClinicProfile()))
    assert (event.mode, entry_of(attached)["SEQUENCE"]) == (mode, b"1")
    calendar, plain = Calendar.from_ical(attached), Calendar.from_ical(to_icalendar(appointment, ClinicProfile()))
    assert calendar["METHOD"] == ("CANCEL" if change is declined else "REQUEST")
    assert "ORGANIZER" in calendar.walk("VEVENT")[0]
    assert "METHOD" not in plain
