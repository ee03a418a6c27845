"""Calendar subscriptions: their secret links, and the agenda as iCalendar (RFC 5545) that tells nobody whom one sees, or why."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scheduling_svc.domain.agenda import Entry, EntryKind
from scheduling_svc.domain.leaves import whole_grains
from scheduling_svc.domain.refusals import NoSuchFeed
from shared.contracts.grains import Span

BACK, AHEAD = timedelta(days=30), timedelta(days=366)
MOST_ENTRIES = 10_000
SECRET_BYTES = 32
TOKEN = r"[A-Za-z0-9_-]{43}"  # so many bytes in base64url
SUMMARY = {EntryKind.APPOINTMENT: "Appointment", EntryKind.LEAVE: "Leave", EntryKind.CLOSURE: "Clinic closed"}
# REFRESH-INTERVAL is RFC 7986's, the X- properties are what older clients read. A calendar must have a component (RFC 5545 section 3.6)
# even when nobody is busy: the zone of its times.
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
class Feed:
    """The link of an account; whoever has its token may read, so only the token's hash is kept."""

    account_id: UUID
    token_hash: str
    created_at: datetime


def token_of(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


def hash_of(token: str) -> str:
    """What is kept of a token; refuses what cannot be one."""
    if not re.fullmatch(TOKEN, token):
        raise NoSuchFeed
    return hashlib.sha256(token.encode()).hexdigest()


def told_in(now: datetime) -> Span:
    """The time that a feed tells of."""
    return whole_grains(now - BACK, now + AHEAD)


def as_calendar(entries: Iterable[Entry]) -> bytes:
    """One event per entry. All words are ours and all lines short, so nothing is escaped or folded: thousands take milliseconds."""
    lines = [*HEAD, *(line for entry in entries for line in _event(entry)), "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


def _event(entry: Entry) -> Iterator[str]:
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
