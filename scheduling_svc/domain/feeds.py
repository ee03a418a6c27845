"""Calendar subscriptions: secret links, and the agenda as iCalendar (RFC 5545) without names or reasons."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scheduling_svc.domain.agenda import AgendaEntry, EntryKind
from scheduling_svc.domain.leaves import grains_touched
from scheduling_svc.domain.refusals import NoSuchFeed
from shared.contracts.grains import Span

BACK, AHEAD = timedelta(days=30), timedelta(days=366)
MAX_ENTRIES = 10_000
SECRET_BYTES = 32
TOKEN = r"[A-Za-z0-9_-]{43}"  # SECRET_BYTES bytes in base64url
SUMMARY = {EntryKind.APPOINTMENT: "Appointment", EntryKind.LEAVE: "Leave", EntryKind.CLOSURE: "Clinic closed"}
# REFRESH-INTERVAL comes from RFC 7986; older clients read the X- properties. A calendar must have at least one component (RFC 5545
# section 3.6), also without events, so it always contains the time zone.
HEAD = (
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Careslot//EN",
    "X-WR-CALNAME:Careslot",
    "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
    "X-PUBLISHED-TTL:PT15M",
    "BEGIN:VTIMEZONE",
    "TZID:Etc/UTC",
    "BEGIN:STANDARD",
    "DTSTART:19700101T000000",
    "TZOFFSETFROM:+0000",
    "TZOFFSETTO:+0000",
    "END:STANDARD",
    "END:VTIMEZONE",
)


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """The subscription link of an account. Its token alone grants access, so only the hash of the token is stored."""

    account_id: UUID
    token_hash: str
    created_at: datetime


def token_from(secret: bytes) -> str:
    """Return random bytes as a token that fits into a URL."""
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal; raise NoSuchFeed for text that cannot be a token."""
    if not re.fullmatch(TOKEN, token):
        raise NoSuchFeed
    return hashlib.sha256(token.encode()).hexdigest()


def feed_span(now: datetime) -> Span:
    """Return the time that a feed covers: from 30 days back to 366 days ahead."""
    return grains_touched(now - BACK, now + AHEAD)


def to_icalendar(entries: Iterable[AgendaEntry]) -> bytes:
    """Return an iCalendar document with one event per entry.

    Nothing is escaped or folded, because every line is short and contains no text from outside.
    """
    lines = [*HEAD, *(line for entry in entries for line in _event_lines(entry)), "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


def _event_lines(entry: AgendaEntry) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{entry.id}@careslot"
    yield f"DTSTAMP:{_utc(entry.changed_at)}"
    yield f"DTSTART:{_utc(entry.starts_at)}"
    yield f"DTEND:{_utc(entry.ends_at)}"
    yield f"SUMMARY:{SUMMARY[entry.kind]}"
    yield "TRANSP:OPAQUE"
    yield "STATUS:CONFIRMED"
    yield "END:VEVENT"


def _utc(instant: datetime) -> str:
    return f"{instant:%Y%m%dT%H%M%SZ}"
