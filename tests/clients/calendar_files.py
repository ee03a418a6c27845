"""The calendar files of mails of every kind, mode and language, and what a calendar program must read from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from notify_svc.clients.email_renderer import JinjaEmailRenderer
from notify_svc.clients.languages import shipped_languages
from notify_svc.clients.template_examples import START, example_content
from notify_svc.domain.mail_content import AppointmentDetails, Clinic, MailContent, Recipient
from notify_svc.domain.notifications import CANCELLING_KINDS, KINDS_WITHOUT_CALENDAR, Audience
from notify_svc.domain.templates import TEMPLATES

CLINIC = Clinic("Praxis Müller; Söhne, Berlin", "clinic@careslot.example", "https://clinic.example")
DOCTORS = ("Dr. Ada Brandt", "Dr. Østergård, Ö.; \\ 山田太郎 " + "sehr lang " * 12)
PLACE = "Room 3, 2nd floor; Main St. 1 \\ Haus Ü"
MODES = ("in_person", "video", "phone")


def calendar_cases() -> list[dict[str, Any]]:
    """Return the file of every kind of mail that has one, with its name and what must be read from it."""
    return [
        case
        for language in shipped_languages()
        for kind in TEMPLATES
        for mode in MODES
        for doctor in DOCTORS
        for case in _case(language, kind, mode, doctor)
    ]


def _case(language: str, kind: str, mode: str, doctor: str) -> Iterator[dict[str, Any]]:
    example = example_content(TEMPLATES[kind], CLINIC, language)
    if example.appointment is None or example.message.kind in KINDS_WITHOUT_CALENDAR:
        return
    message = replace(example.message, facts=example.message.facts | {"mode": mode, "sequence": 7})
    recipient = Recipient("Mina Pärk, Jr.", "mina+visits@example.com", language, "America/New_York")
    content = replace(example, message=message, recipient=recipient, appointment=AppointmentDetails(doctor, PLACE, "Mina Pärk"))
    mail = message_from_bytes(JinjaEmailRenderer(CLINIC).render(content, START).content, policy=policy.default)
    files: list[Any] = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    expected = _expected(content, shipped_languages()[language].titles[message.mode], mode)
    for number, file in enumerate(files):
        yield {"name": f"{language} {kind} {mode} {number}", "file": file.get_content(), "expected": expected}


def _expected(content: MailContent, title: str, mode: str) -> dict[str, Any]:
    message, appointment = content.message, content.appointment
    assert appointment is not None
    is_cancelled = message.kind in CANCELLING_KINDS
    words = shipped_languages()[content.recipient.locale or "en"].words
    is_for_doctor = message.audience is Audience.DOCTOR
    status = "TENTATIVE" if message.facts["status"] == "requested" else "CONFIRMED"
    return {
        "method": "CANCEL" if is_cancelled else "REQUEST",
        "uid": f"{message.facts['appointment_id']}@careslot",
        "start": _javascript_date(message.facts["starts_at"]),
        "end": _javascript_date(message.facts["ends_at"]),
        "sequence": 7,
        "status": "CANCELLED" if is_cancelled else status,
        "summary": title if is_for_doctor else words["title_with_doctor"].format(title=title, name=appointment.doctor_name),
        "location": PLACE if mode == "in_person" else None,
        "organizer": [CLINIC.name.replace(";", ","), f"mailto:{CLINIC.email}"],
        "attendee": [content.recipient.name, f"mailto:{content.recipient.email}"],
    }


def _javascript_date(instant: str) -> str:
    return f"{datetime.fromisoformat(instant):%Y-%m-%dT%H:%M:%S}.000Z"
