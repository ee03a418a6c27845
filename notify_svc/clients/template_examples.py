"""Example mails of every kind: for previews, and with the longest names to check the length of a template."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from notify_svc.domain.mail_content import AppointmentDetails, Clinic, MailContent, PasswordLink, Recipient
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience
from notify_svc.domain.templates import TemplateRules
from shared.contracts.values import format_instant

START = datetime(2026, 3, 9, 13, tzinfo=UTC)
PATIENT_ID, OTHER_ID = UUID(int=1), UUID(int=2)
LONGEST_TEXT = 200
"""The longest name, title or place, in characters."""
LONGEST_MESSAGE = 2000
"""The longest text that staff can write, in characters."""
MAX_DIGEST_VISITS = 100


def example_content(rules: TemplateRules, clinic: Clinic, locale: str) -> MailContent:
    """Return the content of an example mail, with every variable that mails of its kind can have."""
    names = ("Mina Park", "Dr. Ada Brandt", "Room 3")
    return _content(rules, clinic, locale, names, visits=3)


def longest_content(rules: TemplateRules, clinic: Clinic, locale: str) -> MailContent:
    """Return the content of a mail with the longest names, places and links."""
    name = "W" * LONGEST_TEXT
    return _content(rules, clinic, locale, (name, f"{name} {name}", name), visits=MAX_DIGEST_VISITS)


def _content(rules: TemplateRules, clinic: Clinic, locale: str, names: tuple[str, str, str], visits: int) -> MailContent:
    patient, doctor, place = names
    is_for_doctor = rules.audience is Audience.DOCTOR
    recipient = Recipient(doctor if is_for_doctor else patient, "mina@example.com", locale, "Europe/Berlin")
    message = _message(rules, _facts(rules, clinic, visits))
    token = "x" * 43
    return MailContent(
        message,
        recipient,
        AppointmentDetails(doctor, place, patient) if "starts_at" in rules.variables else None,
        PasswordLink(token, START) if "link" in rules.variables else None,
        f"{clinic.public_url}/visit/{token}" if "visit_link" in rules.variables else None,
        f"{clinic.public_url}/unsubscribe/{token}" if "unsubscribe_link" in rules.variables else None,
        patient,
    )


def _message(rules: TemplateRules, facts: dict[str, Any]) -> Message:
    return Message(
        id=OTHER_ID,
        event_id=OTHER_ID,
        kind=rules.kind,
        audience=rules.audience,
        recipient_id=PATIENT_ID,
        subject_id=OTHER_ID,
        version=1,
        facts=facts,
        created_at=START,
        due_at=START,
    )


def _facts(rules: TemplateRules, clinic: Clinic, visits: int) -> dict[str, Any]:
    """Return facts that make every variable appear: a visit that was moved, needs approval and has changed."""
    starts = [format_instant(START + timedelta(minutes=5 * number)) for number in range(visits)]
    return {
        "appointment_id": str(OTHER_ID),
        "patient_id": str(PATIENT_ID),
        "starts_at": format_instant(START),
        "ends_at": format_instant(START + timedelta(minutes=30)),
        "previous_starts_at": format_instant(START - timedelta(days=1)) if rules.kind == "rescheduled" else None,
        "status": "requested" if "needs_approval" in rules.variables else "booked",
        "sequence": 1,
        "mode": "in_person",
        "changed": ["place", "doctor_name"] if "place_changed" in rules.variables else [],
        "date": "2026-03-09",
        "time_zone": "Europe/Berlin",
        "starts": starts,
        "count": len(starts),
        "occurred_at": format_instant(START),
        "expires_at": format_instant(START + timedelta(hours=1)),
        "webhook_id": str(PATIENT_ID),
        "url": f"{clinic.public_url}/hooks",
        "failing_since": format_instant(START),
        "text": "Please bring your insurance card." if visits < MAX_DIGEST_VISITS else "W" * LONGEST_MESSAGE,
    }
