"""Rendering of mails: text, HTML and a calendar file. None of them says anything about health."""

from __future__ import annotations

import re
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

from email_validator import validate_email
from jinja2 import Environment, PackageLoader, StrictUndefined

from notify_svc.clients.translations import Translation, Wording, translation_for
from notify_svc.domain.mail_content import AppointmentDetails, Clinic, MailContent, Recipient
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import CANCELLING_KINDS, Audience
from notify_svc.ports import InvalidAddress
from shared.kit.icalendar import CalendarEvent, CalendarUser, Method, calendar_file

HEADER_SPECIALS = re.compile(r'[ ()<>\[\]:;@\\,."=?]+')
MAX_NAME_LENGTH = 60


class JinjaEmailRenderer:
    """Implements EmailRenderer with the templates in `notify_svc/templates` and the languages of `translations.py`."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._templates = Environment(
            loader=PackageLoader("notify_svc"),
            autoescape=lambda name: bool(name and name.endswith(".html")),
            undefined=StrictUndefined,
        )

    def render(self, content: MailContent, now: datetime) -> EmailMessage:
        translation = translation_for(content.recipient.locale)
        wording = translation.wording_of(content.message)
        mail = EmailMessage()
        self._add_headers(mail, content, wording.title, now)
        variables = self._template_variables(content, translation, wording)
        mail.set_content(self._templates.get_template("email.txt").render(variables))
        mail.add_alternative(self._templates.get_template("email.html").render(variables), subtype="html")
        if content.appointment is not None:
            self._add_calendar_file(mail, content, content.appointment, now)
        mail["Content-Language"] = translation.language
        return mail

    def _add_headers(self, mail: EmailMessage, content: MailContent, title: str, now: datetime) -> None:
        try:
            mail["From"] = header_address(self._clinic.name, self._clinic.email)
            mail["To"] = header_address(content.recipient.name, content.recipient.email)
        except (ValueError, MessageError) as error:
            raise InvalidAddress from error
        mail["Subject"] = f"{title} - {self._clinic.name}"
        mail["Date"] = now
        mail["Message-ID"] = f"<{content.message.id}@{self._clinic.email.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"

    def _template_variables(self, content: MailContent, translation: Translation, wording: Wording) -> dict[str, Any]:
        """Return the variables of the templates."""
        recipient, link = content.recipient, content.link
        return {
            "translation": translation,
            "wording": wording,
            "recipient": recipient,
            "clinic": self._clinic,
            "rows": appointment_rows(content.message, content.appointment, recipient, translation) if content.appointment else [],
            "link": link,
            "link_url": f"{self._clinic.public_url}/reset?token={link.token}" if link else None,
            "link_expires": format_local(link.expires_at, recipient, translation) if link else None,
        }

    def _add_calendar_file(self, mail: EmailMessage, content: MailContent, appointment: AppointmentDetails, now: datetime) -> None:
        """Add the file twice: as an alternative, for mail programs with a calendar (RFC 6047 section 2.4), and as an attachment."""
        method: Method = "CANCEL" if content.message.kind in CANCELLING_KINDS else "REQUEST"
        file = calendar_file([self._calendar_event(content, appointment, now)], method=method)
        parameters = {"method": method, "charset": "utf-8"}
        mail.add_alternative(file, maintype="text", subtype="calendar", params=parameters)
        mail.add_attachment(file, maintype="text", subtype="calendar", filename="appointment.ics", params=parameters)

    def _calendar_event(self, content: MailContent, appointment: AppointmentDetails, now: datetime) -> CalendarEvent:
        message, recipient = content.message, content.recipient
        is_cancelled, is_requested = message.kind in CANCELLING_KINDS, message.facts["status"] == "requested"
        return CalendarEvent(
            uid=f"{message.facts['appointment_id']}@careslot",
            stamped_at=now,
            starts_at=datetime.fromisoformat(message.facts["starts_at"]),
            ends_at=datetime.fromisoformat(message.facts["ends_at"]),
            summary=calendar_summary(message, appointment, translation_for(recipient.locale)),
            sequence=message.facts["sequence"],
            status="CANCELLED" if is_cancelled else "TENTATIVE" if is_requested else "CONFIRMED",
            location=appointment.location,
            is_private=True,
            organizer=CalendarUser(self._clinic.email, self._clinic.name),
            attendee=CalendarUser(recipient.email, recipient.name),
        )


def appointment_rows(
    message: Message, appointment: AppointmentDetails, recipient: Recipient, translation: Translation
) -> list[tuple[str, str]]:
    """Return the details of an appointment as label and value: times in the recipient's zone, the doctor or the patient, the place."""
    facts = message.facts
    rows = [(translation.when, format_local(datetime.fromisoformat(facts["starts_at"]), recipient, translation))]
    if facts["previous_starts_at"] not in (None, facts["starts_at"]):
        previous = datetime.fromisoformat(facts["previous_starts_at"])
        rows.append((translation.previously, format_local(previous, recipient, translation)))
    if message.audience is Audience.PATIENT:
        rows.append((translation.doctor, appointment.doctor_name))
    else:
        rows.append((translation.patient, appointment.patient_name))
    if appointment.location:
        rows.append((translation.location, appointment.location))
    return rows


def calendar_summary(message: Message, appointment: AppointmentDetails, translation: Translation) -> str:
    """Return the title in the calendar. A doctor's does not name the patient, because calendars are shown to others."""
    if message.audience is Audience.DOCTOR:
        return translation.appointment
    return translation.appointment_with.format(name=appointment.doctor_name)


def format_local(instant: datetime, recipient: Recipient, translation: Translation) -> str:
    """Return an instant in words, in the recipient's time zone."""
    return translation.format_time(instant.astimezone(ZoneInfo(recipient.time_zone)))


def header_address(name: str, email: str) -> Address:
    """Return an address for a header. Raises ValueError or MessageError for an invalid one.

    The name is shortened and stripped of characters that are special in RFC 5322: when `email` folds long names that contain them, the
    result can parse as other addresses.
    """
    parts = validate_email(email, check_deliverability=False)
    plain_name = HEADER_SPECIALS.sub(" ", name).strip(" ")[:MAX_NAME_LENGTH]
    return Address(plain_name, username=parts.local_part, domain=parts.ascii_domain)
