"""Times as people write and read them, in one zone, and as the API has them, in UTC."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from careslot.client.failures import UsageFault

NAMED_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
LOCAL_TIME = re.compile(r"(\S+)[ T](\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
YEARS = range(1900, 3000)  # far enough from where calculations with dates overflow


def zone_named(name: str) -> ZoneInfo:
    """Return a zone by its IANA name. Raises UsageFault if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageFault(f"There is no time zone {name[:100]!r}. Zones have names such as Europe/Berlin.") from None


def parse_day(text: str, now: datetime) -> date:
    """Return the day that a text names: `today`, `tomorrow`, `yesterday` or a date such as 2026-03-09. `now` is in the reader's zone."""
    if text.lower() in NAMED_DAYS:
        return now.date() + timedelta(days=NAMED_DAYS[text.lower()])
    with suppress(ValueError):
        day = date.fromisoformat(text)
        if day.year in YEARS:
            return day
    raise UsageFault(f"{text[:100]!r} is not a day. Days are `today`, `tomorrow` or a date such as 2026-03-09.")


def parse_instant(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant that a text names: RFC 3339 with an offset, or a day and a time of day in `zone`, or a day (its midnight).

    Raises UsageFault for other texts, and for times of day that a change of the clocks leaves out or repeats.
    """
    stripped = text.strip()
    with suppress(ValueError):
        instant = datetime.fromisoformat(stripped)
        if instant.tzinfo is not None and instant.year in YEARS:
            return instant.astimezone(UTC)
    match = LOCAL_TIME.fullmatch(stripped)
    if match is None:
        return start_of_day(parse_day(stripped, now), zone)
    try:
        clock_time = time(int(match[2]), int(match[3]), int(match[4] or 0))
    except ValueError:
        raise UsageFault(f"{text[:100]!r} has no time of day, such as 14:00.") from None
    return _instant_of(datetime.combine(parse_day(match[1], now), clock_time), zone)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a day begins in a zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def to_api(instant: datetime) -> str:
    """Return an instant as the API takes it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the only instant at which the clocks of a zone show `local`."""
    instants = {
        instant
        for instant in (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if instant.astimezone(zone).replace(tzinfo=None) == local
    }
    if len(instants) != 1:
        reason = "occurs twice" if instants else "does not exist"
        raise UsageFault(f"{local:%Y-%m-%d %H:%M} {reason} in {zone.key}. Write it with an offset, such as {local:%Y-%m-%dT%H:%M}+01:00.")
    return instants.pop()
