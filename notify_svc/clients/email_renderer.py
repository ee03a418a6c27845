"""Rendering of mails: text, HTML and a calendar file. None of them says anything about health."""

from __future__ import annotations

import re
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from email_validator import validate_email
from jinja2 import Environment, PackageLoader, StrictUndefined

from notify_svc.clients.translations import Translation, Wording, translation_for
from notify_svc.domain.mail_content import AppointmentDetails, Clinic, MailContent, Recipient
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import CANCELLING_KINDS, Audience
from notify_svc.ports import InvalidAddress, RenderedMail
from shared.contracts.calendar_entries import entry_status, entry_uid
from shared.contracts.texts import one_line
from shared.kit.icalendar import CalendarEvent, CalendarUser, Method, calendar_file

HEADER_SPECIALS = re.compile(r'[ ()<>\[\]:;@\\,."=?]+')
MAX_NAME_LENGTH = 60


class JinjaEmailRenderer:
    """Implements EmailRenderer with the templates in `notify_svc/templates` and the languages of `translations.py`."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._sender = header_address(clinic.name, clinic.email)
        self._templates = Environment(
            loader=PackageLoader("notify_svc"),
            autoescape=lambda name: bool(name and name.endswith(".html")),
            undefined=StrictUndefined,
        )

    def render(self, content: MailContent, now: datetime) -> RenderedMail:
        translation = translation_for(content.recipient.locale)
        wording = translation.wording_of(content.message)
        mail = EmailMessage()
        to = self._recipient_address(content.recipient)
        self._add_headers(mail, content, to, f"{wording.title} - {self._clinic.name}", now)
        variables = self._template_variables(content, translation, wording)
        mail.set_content(self._templates.get_template("email.txt").render(variables))
        mail.add_alternative(self._templates.get_template("email.html").render(variables), subtype="html")
        if content.appointment is not None:
            self._add_calendar_file(mail, self._calendar_event(content, content.appointment, to, now), content.message)
        mail["Content-Language"] = translation.language
        sender, recipient = self._sender.addr_spec, to.addr_spec
        needs_smtputf8 = not (sender + recipient).isascii()
        data = mail.as_bytes(policy=(SMTPUTF8 if needs_smtputf8 else SMTP).clone(cte_type="7bit"))
        return RenderedMail(str(mail["Message-ID"]), sender, recipient, data, needs_smtputf8)

    def internet_message_id(self, message_id: UUID) -> str:
        """Return the Message-ID of the mail of a message (RFC 5322)."""
        return f"<{message_id}@{self._sender.domain}>"

    def _recipient_address(self, recipient: Recipient) -> Address:
        try:
            return header_address(recipient.name, recipient.email)
        except (ValueError, MessageError) as error:
            raise InvalidAddress from error

    def _add_headers(self, mail: EmailMessage, content: MailContent, to: Address, subject: str, now: datetime) -> None:
        mail["From"], mail["To"], mail["Subject"], mail["Date"] = self._sender, to, subject, now
        mail["Message-ID"] = self.internet_message_id(content.message.id)
        mail["Auto-Submitted"] = "auto-generated"

    def _template_variables(self, content: MailContent, translation: Translation, wording: Wording) -> dict[str, Any]:
        """Return the variables of the templates."""
        recipient, link = content.recipient, content.link
        return {
            "translation": translation,
            "wording": wording,
            "recipient": recipient,
            "clinic": self._clinic,
            "rows": appointment_rows(content, content.appointment, translation) if content.appointment else [],
            "link": link,
            "link_url": f"{self._clinic.public_url}/reset?token={link.token}" if link else None,
            "link_expires": format_local(link.expires_at, recipient, translation) if link else None,
        }

    def _add_calendar_file(self, mail: EmailMessage, event: CalendarEvent, message: Message) -> None:
        """Add the file twice: as an alternative, for mail programs with a calendar (RFC 6047 section 2.4), and as an attachment."""
        method: Method = "CANCEL" if message.kind in CANCELLING_KINDS else "REQUEST"
        file = calendar_file([event], method=method)
        parameters = {"method": method, "charset": "utf-8"}
        mail.add_alternative(file, maintype="text", subtype="calendar", params=parameters)
        mail.add_attachment(file, maintype="text", subtype="calendar", filename="appointment.ics", params=parameters)

    def _calendar_event(self, content: MailContent, appointment: AppointmentDetails, to: Address, now: datetime) -> CalendarEvent:
        message, recipient = content.message, content.recipient
        return CalendarEvent(
            uid=entry_uid(UUID(message.facts["appointment_id"])),
            stamped_at=now,
            starts_at=datetime.fromisoformat(message.facts["starts_at"]),
            ends_at=datetime.fromisoformat(message.facts["ends_at"]),
            summary=calendar_summary(message, appointment, translation_for(recipient.locale)),
            sequence=message.facts["sequence"],
            status="CANCELLED" if message.kind in CANCELLING_KINDS else entry_status(message.facts["status"]),
            location=content.place,
            is_private=True,
            organizer=CalendarUser(self._sender.addr_spec, self._clinic.name),
            attendee=CalendarUser(to.addr_spec, recipient.name),
        )


def appointment_rows(content: MailContent, appointment: AppointmentDetails, translation: Translation) -> list[tuple[str, str]]:
    """Return the details of an appointment as label and value.

    They are the times in the recipient's zone, the doctor or the patient, how the visit takes place, and the place of a visit in person.
    """
    message = content.message
    rows = time_rows(message, content.recipient, translation)
    if message.audience is Audience.DOCTOR:
        rows.append((translation.patient, appointment.patient_name))
    else:
        rows.append((label_of("doctor_name", translation.doctor, message, translation), appointment.doctor_name))
    rows.append((translation.mode, translation.modes[message.mode]))
    label = label_of("place", translation.location, message, translation)
    if content.place:
        rows.append((label, content.place))
    elif label != translation.location:  # the place was removed
        rows.append((label, translation.unknown_location))
    return rows


def time_rows(message: Message, recipient: Recipient, translation: Translation) -> list[tuple[str, str]]:
    """Return the start, and the start before a move."""
    facts = message.facts
    rows = [(translation.when, format_local(datetime.fromisoformat(facts["starts_at"]), recipient, translation))]
    if facts["previous_starts_at"] not in (None, facts["starts_at"]):
        previous = datetime.fromisoformat(facts["previous_starts_at"])
        rows.append((translation.previously, format_local(previous, recipient, translation)))
    return rows


def label_of(name: str, label: str, message: Message, translation: Translation) -> str:
    """Return the label of a detail, marked as new if the patient has not been told of it before."""
    is_changed = message.audience is Audience.PATIENT and name in message.visible_changes
    return translation.changed_label.format(label=label) if is_changed else label


def calendar_summary(message: Message, appointment: AppointmentDetails, translation: Translation) -> str:
    """Return the title in the calendar. A doctor's does not name the patient, because calendars are shown to others."""
    title = translation.appointment_modes[message.mode]
    if message.audience is Audience.DOCTOR:
        return title
    return translation.appointment_with.format(appointment=title, name=appointment.doctor_name)


def format_local(instant: datetime, recipient: Recipient, translation: Translation) -> str:
    """Return an instant in words, in the recipient's time zone."""
    return translation.format_time(instant.astimezone(ZoneInfo(recipient.time_zone)))


def header_address(name: str, email: str) -> Address:
    """Return an address for a header. Raises ValueError or MessageError for an invalid one.

    The name is brought to one line, shortened and stripped of characters that are special in RFC 5322: when `email` folds long names that
    contain them, the result can parse as other addresses.
    """
    parts = validate_email(email, check_deliverability=False)
    plain_name = HEADER_SPECIALS.sub(" ", one_line(name)).strip(" ")[:MAX_NAME_LENGTH]
    return Address(plain_name, username=parts.local_part, domain=parts.ascii_domain)
