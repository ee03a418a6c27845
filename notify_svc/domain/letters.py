"""A mail from a message and what is known of those concerned: text, HTML and a calendar file, and nothing about health in any of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

from email_validator import validate_email
from icalendar import Calendar, Event, vCalAddress, vText
from jinja2 import Environment, PackageLoader, StrictUndefined

from notify_svc.domain.messages import CALLED_OFF, Message, Reader
from notify_svc.domain.phrases import phrases_of, spoken

TEMPLATES = Environment(
    loader=PackageLoader("notify_svc"), autoescape=lambda name: bool(name and name.endswith(".html")), undefined=StrictUndefined
)
SPECIALS = re.compile(r'[ ()<>\[\]:;@\\,."=?]+')


@dataclass(frozen=True, slots=True)
class Person:
    """The recipient, asked for at the moment of sending."""

    name: str
    email: str
    locale: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Visit:
    """The others concerned."""

    doctor: str
    location: str | None
    patient: str


@dataclass(frozen=True, slots=True)
class Link:
    """The right to choose a password; known only while the mail is written."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Clinic:
    name: str
    email: str
    public_url: str

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Letter:
    """All that a mail is written from."""

    message: Message
    person: Person
    clinic: Clinic
    visit: Visit | None = None
    link: Link | None = None

    def mail(self, now: datetime) -> EmailMessage:
        """The same message has the same Message-ID, however often it is written."""
        words = phrases_of(self.person.locale)
        title, told = words[self._phrase(words)].split("|")
        mail = EmailMessage()
        mail["From"] = addressed(self.clinic.name, self.clinic.email)
        mail["To"] = addressed(self.person.name, self.person.email)
        mail["Subject"] = f"{title} - {self.clinic.name}"
        mail["Date"] = now
        mail["Message-ID"] = f"<{self.message.id}@{self.clinic.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        facts = {"words": words, "title": title, "told": told, "letter": self, "rows": self._rows(words), "until": self._until(words)}
        mail.set_content(TEMPLATES.get_template("letter.txt").render(facts))
        mail.add_alternative(TEMPLATES.get_template("letter.html").render(facts), subtype="html")
        if self.visit is not None:
            self._add_calendar(mail, words, now)
        mail["Content-Language"] = words["language"]
        return mail

    @property
    def url(self) -> str:
        """Where the link leads."""
        return f"{self.clinic.public_url}/reset?token={self.link.token if self.link else ''}"

    def _phrase(self, words: dict[str, str]) -> str:
        phrase = f"{self.message.kind}_{self.message.reader}"
        return phrase if phrase in words else self.message.kind.value

    def _local(self, instant: str, words: dict[str, str]) -> str:
        return spoken(datetime.fromisoformat(instant).astimezone(ZoneInfo(self.person.time_zone)), words)

    def _until(self, words: dict[str, str]) -> str:
        return spoken(self.link.expires_at.astimezone(ZoneInfo(self.person.time_zone)), words) if self.link else ""

    def _rows(self, words: dict[str, str]) -> list[tuple[str, str]]:
        if self.visit is None:
            return []
        facts, visit = self.message.facts, self.visit
        moved = facts["previous_starts_at"] not in (None, facts["starts_at"])
        rows = [
            ("when", self._local(facts["starts_at"], words)),
            ("before", self._local(facts["previous_starts_at"], words) if moved else None),
            ("with", visit.doctor if self.message.reader is Reader.PATIENT else None),
            ("patient", visit.patient if self.message.reader is Reader.DOCTOR else None),
            ("where", visit.location),
        ]
        return [(words[name], value) for name, value in rows if value]

    def _add_calendar(self, mail: EmailMessage, words: dict[str, str], now: datetime) -> None:
        """Twice: as an alternative for mail readers with a calendar (RFC 6047 section 2.4), and as a file for all others."""
        method = "CANCEL" if self.message.kind in CALLED_OFF else "REQUEST"
        content, named = self._calendar(method, words, now), {"method": method, "charset": "utf-8"}
        mail.add_alternative(content, maintype="text", subtype="calendar", params=named)
        mail.add_attachment(content, maintype="text", subtype="calendar", filename="appointment.ics", params=named)

    def _calendar(self, method: str, words: dict[str, str], now: datetime) -> bytes:
        """RFC 5545 and RFC 5546: one event, the same UID for life."""
        facts, calendar, event = self.message.facts, Calendar(), Event()
        calendar.add("prodid", "-//Careslot//EN")
        calendar.add("version", "2.0")
        calendar.add("method", method)
        for name, value in self._times(facts, now).items():
            event.add(name, value)
        event.add("uid", f"{facts['appointment_id']}@careslot")
        event.add("sequence", facts["sequence"])
        event.add("summary", self._summary(words))
        event.add("status", "CANCELLED" if method == "CANCEL" else "TENTATIVE" if facts["status"] == "requested" else "CONFIRMED")
        event.add("class", "PRIVATE")
        event.add("organizer", _mailto(self.clinic.email, self.clinic.name))
        event.add("attendee", _mailto(self.person.email, self.person.name, partstat="ACCEPTED", rsvp="FALSE"))
        if self.visit and self.visit.location:
            event.add("location", self.visit.location)
        calendar.add_component(event)
        return bytes(calendar.to_ical())

    def _times(self, facts: dict[str, Any], now: datetime) -> dict[str, datetime]:
        begins, ends = (datetime.fromisoformat(facts[name]).astimezone(UTC) for name in ("starts_at", "ends_at"))
        return {"dtstamp": now.astimezone(UTC).replace(microsecond=0), "dtstart": begins, "dtend": ends}

    def _summary(self, words: dict[str, str]) -> str:
        """For the doctor without a name: calendars are shown to others."""
        if self.visit is None or self.message.reader is Reader.DOCTOR:
            return words["appointment"]
        return words["appointment_with"].format(name=self.visit.doctor)


def addressed(name: str, email: str) -> Address:
    """For a header. Folding long names and such with characters that mean something in RFC 5322, the library makes other addresses of
    them; so the name here is a short and plain one."""
    parts = validate_email(email, check_deliverability=False)
    return Address(SPECIALS.sub(" ", name).strip(" ")[:60], username=parts.local_part, domain=parts.ascii_domain)


def _mailto(email: str, name: str, **more: str) -> vCalAddress:
    address = vCalAddress(f"mailto:{email}")
    address.params.update({"cn": vText(name), **more})
    return address
