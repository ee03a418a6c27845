"""The content of a mail, before it is rendered in a language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience
from shared.contracts.calendar_entries import entry_place
from shared.contracts.texts import one_line


@dataclass(frozen=True, slots=True)
class Clinic:
    """The sender of all mails. The links in mails begin with `public_url`. The name is brought to one line.

    Replies go to `reply_to`, or to `email` if it is None. `locale` is the BCP 47 locale of mails to people without one. `address` is on
    one line. `logo_url` is where mail programs find the logo.
    """

    name: str
    email: str
    public_url: str
    reply_to: str | None = None
    locale: str = "en"
    address: str | None = None
    phone: str | None = None
    logo_url: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", one_line(self.name))

    @property
    def signature(self) -> str:
        """The lines below every mail: name, address and phone number; empty for a clinic without address and phone number."""
        return "\n".join(filter(None, (self.name, self.address, self.phone))) if self.address or self.phone else ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The person to whom a mail is sent, with BCP 47 locale and IANA time zone. The name is brought to one line and may then be empty.

    `locale` is None for people who have none: they read the clinic's language.
    """

    name: str
    email: str
    locale: str | None
    time_zone: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", one_line(self.name))


@dataclass(frozen=True, slots=True)
class AppointmentDetails:
    """Names of doctor and patient, and the location of the doctor. Each is brought to one line.

    `patient_name` is None for a patient who was erased. The mail then names a patient whose data were erased, in the recipient's language.
    """

    doctor_name: str
    location: str | None
    patient_name: str | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "doctor_name", one_line(self.doctor_name))
        object.__setattr__(self, "location", one_line(self.location or "") or None)
        object.__setattr__(self, "patient_name", one_line(self.patient_name or "") or None)


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """The right to choose a password. It is fetched when the mail is composed, and never stored."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MailContent:
    """The content of one mail: `appointment` for messages about appointments, `link` for invitations and password resets.

    `patient_name` is for messages about medical histories, which may go to guardians.

    `visit_link` is where the patient confirms or cancels the visit, `unsubscribe_link` where the recipient ends reminders or digests. Both
    are complete URLs, and None where the mail has none.
    """

    message: Message
    recipient: Recipient
    appointment: AppointmentDetails | None = None
    link: PasswordLink | None = None
    visit_link: str | None = None
    unsubscribe_link: str | None = None
    patient_name: str | None = None

    @property
    def is_for_guardian(self) -> bool:
        """Whether the mail about a patient's visit goes to another person, who acts for the patient."""
        message = self.message
        return message.audience is Audience.PATIENT and message.facts.get("patient_id") != str(message.recipient_id)

    @property
    def place(self) -> str | None:
        """The place to which the patient comes; None for a visit by video or phone."""
        return entry_place(self.message.mode, self.appointment.location) if self.appointment else None
