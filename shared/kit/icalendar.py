"""iCalendar files (RFC 5545): calendar attachments, downloads and subscriptions are all written by this module.

It does not use the icalendar library, which needs 0.5 ms for each event; a subscription may have 10,000 events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

Method = Literal["PUBLISH", "REQUEST", "CANCEL"]
EventStatus = Literal["TENTATIVE", "CONFIRMED", "CANCELLED"]
PRODUCT_ID = "-//Careslot//EN"
MAX_LINE_OCTETS = 75
ESCAPES = {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"}
ESCAPED = re.compile(r"[\\;,\n]")
LINE_BREAK = re.compile(r"\r\n?")
WHITE_SPACE = re.compile(r"\s+")
SAFE_IN_MAILTO = "!$'*+"  # beside letters, digits and -._~ (RFC 6068 section 2)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# A calendar must have a component (RFC 5545 section 3.6) even when it has no event.
UTC_ZONE = (
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
class CalendarUser:
    """A person or an organisation with an email address."""

    email: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """One event of a calendar. All instants are aware; they are written in UTC, to the second.

    `uid` stays the same for the event's whole life and `sequence` grows with its changes, so that calendars replace what they have.
    `stamped_at` is when this version was written. With `is_private`, other readers of the calendar do not see the event's content. The
    attendee has already accepted and is not asked to reply.
    """

    uid: str
    stamped_at: datetime
    starts_at: datetime
    ends_at: datetime
    summary: str
    sequence: int | None = None
    status: EventStatus = "CONFIRMED"
    location: str | None = None
    is_private: bool = False
    organizer: CalendarUser | None = None
    attendee: CalendarUser | None = None


def calendar_file(
    events: Iterable[CalendarEvent], *, method: Method | None = None, name: str | None = None, refresh_minutes: int | None = None
) -> bytes:
    """Return an iCalendar file in UTF-8 with these events.

    `method` (RFC 5546) says what a calendar program is to do with the events. Subscriptions have no method, but a `name`, and they are read
    again every `refresh_minutes`.
    """
    lines = [*_header_lines(method, name, refresh_minutes)]
    header_length = len(lines)
    for event in events:
        lines.extend(_event_lines(event))
    if len(lines) == header_length:
        lines.extend(UTC_ZONE)
    lines += "END:VCALENDAR", ""
    return "\r\n".join(map(fold_line, lines)).encode()


def _header_lines(method: Method | None, name: str | None, refresh_minutes: int | None) -> Iterator[str]:
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT_ID}")
    if method is not None:
        yield f"METHOD:{method}"
    if name is not None:
        yield f"X-WR-CALNAME:{escape_text(name)}"
    if refresh_minutes is not None:  # RFC 7986, and what older clients read
        yield f"REFRESH-INTERVAL;VALUE=DURATION:PT{refresh_minutes}M"
        yield f"X-PUBLISHED-TTL:PT{refresh_minutes}M"


def _event_lines(event: CalendarEvent) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{escape_text(event.uid)}"
    yield f"DTSTAMP:{_utc(event.stamped_at)}"
    yield f"DTSTART:{_utc(event.starts_at)}"
    yield f"DTEND:{_utc(event.ends_at)}"
    if event.sequence is not None:
        yield f"SEQUENCE:{event.sequence}"
    yield f"SUMMARY:{escape_text(event.summary)}"
    if event.location:
        yield f"LOCATION:{escape_text(event.location)}"
    yield f"STATUS:{event.status}"
    if event.is_private:
        yield "CLASS:PRIVATE"
    yield "TRANSP:OPAQUE"
    if event.organizer is not None:
        yield f"ORGANIZER;{_address(event.organizer)}"
    if event.attendee is not None:
        yield f"ATTENDEE;PARTSTAT=ACCEPTED;RSVP=FALSE;{_address(event.attendee)}"
    yield "END:VEVENT"


def escape_text(text: str) -> str:
    """Return a value of type TEXT (RFC 5545 section 3.3.11). Control characters other than tabs and line breaks are left out."""
    plain = CONTROL.sub("", LINE_BREAK.sub("\n", text))
    return ESCAPED.sub(lambda match: ESCAPES[match.group()], plain)


def fold_line(line: str) -> str:
    """Return a content line folded so that no part is longer than 75 octets in UTF-8 and no character is cut (RFC 5545 section 3.1)."""
    if len(line) <= MAX_LINE_OCTETS and line.isascii():
        return line
    parts, part, octets = [], "", 0
    for character in line:
        size = len(character.encode())
        if octets + size > MAX_LINE_OCTETS:
            parts.append(part)
            part, octets = " ", 1
        part, octets = part + character, octets + size
    return "\r\n".join([*parts, part])


def _address(user: CalendarUser) -> str:
    """Return the parameter CN and the value of a property of type CAL-ADDRESS: a `mailto` URI (RFC 6068), percent-encoded in UTF-8.

    A quoted parameter cannot contain a quotation mark. It may contain a semicolon, but node-ical ends the name there.
    """
    name = CONTROL.sub("", WHITE_SPACE.sub(" ", user.name)).replace('"', "'").replace(";", ",")
    local_part, _, domain = CONTROL.sub("", WHITE_SPACE.sub("", user.email)).rpartition("@")
    return f'CN="{name}":mailto:{quote(local_part, SAFE_IN_MAILTO)}@{quote(domain, SAFE_IN_MAILTO)}'


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"
