"""A mail from a message and what is known of those concerned: text, HTML and a calendar file, and nothing about health in any of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress, vText
from jinja2 import Environment, PackageLoader, StrictUndefined

from notify_svc.domain.messages import CALLED_OFF, Kind, Message, Reader
from notify_svc.domain.phrases import phrases_of, spoken

TEMPLATES = Environment(
    loader=PackageLoader("notify_svc"), autoescape=lambda name: bool(name and name.endswith(".html")), undefined=StrictUndefined
)
TENTATIVE = frozenset({Kind.REQUESTED})


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
        mail["From"] = Address(self.clinic.name, addr_spec=self.clinic.email)
        mail["To"] = Address(self.person.name, addr_spec=self.person.email)
        mail["Subject"] = f"{title} - {self.clinic.name}"
        mail["Date"] = now
        mail["Message-ID"] = f"<{self.message.id}@{self.clinic.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        facts = {"words": words, "title": title, "told": told, "letter": self, "rows": self._rows(words), "until": self._until(words)}
        mail.set_content(TEMPLATES.get_template("letter.txt").render(facts))
        mail.add_alternative(TEMPLATES.get_template("letter.html").render(facts), subtype="html")
        if self.visit is not None:
            self._attach_calendar(mail, words, now)
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

    def _attach_calendar(self, mail: EmailMessage, words: dict[str, str], now: datetime) -> None:
        method = "CANCEL" if self.message.kind in CALLED_OFF else "REQUEST"
        content = self._calendar(method, words, now)
        mail.add_attachment(
            content, maintype="text", subtype="calendar", filename="appointment.ics", params={"method": method, "charset": "utf-8"}
        )

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
        event.add("status", "CANCELLED" if method == "CANCEL" else "TENTATIVE" if self.message.kind in TENTATIVE else "CONFIRMED")
        event.add("organizer", _mailto(self.clinic.email, self.clinic.name))
        event.add("attendee", _mailto(self.person.email, self.person.name))
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


def _mailto(email: str, name: str) -> vCalAddress:
    address = vCalAddress(f"mailto:{email}")
    address.params["cn"] = vText(name)
    return address
