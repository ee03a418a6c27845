"""The calendar file of a mail (RFC 5545, RFC 5546)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from notify_svc.clients.addresses import MailAddress
from notify_svc.clients.languages import Language
from notify_svc.clients.mime import CalendarPart
from notify_svc.domain.mail_content import AppointmentDetails, MailContent
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import CANCELLING_KINDS, KINDS_WITHOUT_CALENDAR, Audience
from shared.contracts.calendar_entries import entry_location, entry_status, entry_uid
from shared.kit.icalendar import CalendarEvent, CalendarUser, Method, calendar_file


def calendar_part(
    content: MailContent, language: Language, organizer: CalendarUser, attendee: MailAddress, now: datetime, *, clinic_address: str | None
) -> CalendarPart | None:
    """Return the calendar file of a mail about a change in the recipient's calendar; None for other mails."""
    message, appointment = content.message, content.appointment
    if appointment is None or message.kind in KINDS_WITHOUT_CALENDAR:
        return None
    is_cancelled = message.kind in CANCELLING_KINDS
    method: Method = "CANCEL" if is_cancelled else "REQUEST"
    event = CalendarEvent(
        uid=entry_uid(UUID(message.facts["appointment_id"])),
        stamped_at=now,
        starts_at=datetime.fromisoformat(message.facts["starts_at"]),
        ends_at=datetime.fromisoformat(message.facts["ends_at"]),
        summary=_summary(message, appointment, language),
        sequence=message.facts["sequence"],
        status="CANCELLED" if is_cancelled else entry_status(message.facts["status"]),
        location=entry_location(message.mode, appointment.location, clinic_address),
        is_private=True,
        organizer=organizer,
        attendee=CalendarUser(attendee.address, content.recipient.name),
    )
    return CalendarPart(f'text/calendar; method="{method}"; charset="utf-8"', calendar_file([event], method=method))


def _summary(message: Message, appointment: AppointmentDetails, language: Language) -> str:
    """Return the title in the calendar. A doctor's does not name the patient, because calendars are shown to others."""
    title = language.titles[message.mode]
    if message.audience is Audience.DOCTOR:
        return title
    return language.words["title_with_doctor"].format(title=title, name=appointment.doctor_name)
