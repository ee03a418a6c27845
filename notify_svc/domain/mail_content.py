"""The content of a mail, before it is rendered in a language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from notify_svc.domain.messages import Message


@dataclass(frozen=True, slots=True)
class Clinic:
    """The sender of all mails. The links in mails begin with `public_url`."""

    name: str
    email: str
    public_url: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """The person to whom a mail is sent, with BCP 47 locale and IANA time zone."""

    name: str
    email: str
    locale: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class AppointmentDetails:
    """Names and place of an appointment."""

    doctor_name: str
    location: str | None
    patient_name: str


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """The right to choose a password. It is fetched when the mail is composed, and never stored."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MailContent:
    """The content of one mail: `appointment` for messages about appointments, `link` for invitations and password resets."""

    message: Message
    recipient: Recipient
    appointment: AppointmentDetails | None = None
    link: PasswordLink | None = None
