"""What the parts of a search text mean: addresses, days, phone numbers and identifiers. What remains are words of a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from patient_svc.domain.phone_numbers import reversed_digits
from patient_svc.domain.search_keys import identifier_key, system_key
from shared.contracts.values import Email

MIN_PHONE_DIGITS = 4
"""A number with fewer digits is a word of a name, or the whole phone number of a patient, such as an extension."""
EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
AROUND_AN_ADDRESS = ".,;:<>()[]{}'\""
DAY = re.compile(
    r"(?<![0-9])(?<![0-9][./-])"
    r"(?:(?P<year>[0-9]{4})(?P<sign>[./-])(?P<month>[0-9]{1,2})(?P=sign)(?P<day>[0-9]{1,2})"
    r"|(?P<first>[0-9]{1,2})(?P<mark>\. ?|[/-])(?P<second>[0-9]{1,2})(?P=mark)(?P<last>[0-9]{4}))"
    r"(?![0-9]|[./-][0-9])"
)
PHONE = re.compile(r"(?<![^\W_])\+?\(?[0-9](?:[0-9 ()./-]*[0-9])?(?![^\W_])")
EMAIL_ADDRESS: TypeAdapter[str] = TypeAdapter(Email)
Value = TypeVar("Value")


def take_parts(pattern: re.Pattern[str], text: str, parse: Callable[[re.Match[str]], Value | None]) -> tuple[tuple[Value, ...], str]:
    """Return what `parse` makes of the matches in a text, and the text without them. Where it returns None, the text stays."""
    values = list[Value]()
    rest, end = "", 0
    for match in pattern.finditer(text):
        value = parse(match)
        if value is not None:
            values.append(value)
            rest, end = f"{rest}{text[end : match.start()]} ", match.end()
    return tuple(dict.fromkeys(values)), rest + text[end:]


def parse_email(match: re.Match[str]) -> str | None:
    """Return an email address, or None for what is none."""
    try:
        return EMAIL_ADDRESS.validate_python(match[0].strip(AROUND_AN_ADDRESS))
    except ValidationError:
        return None


def parse_days(match: re.Match[str]) -> tuple[date, ...] | None:
    """Return the days that a text can mean, or None if there is no such day.

    02.06.1984 is in June. 02/06/1984 and 02-06-1984 are in June or, as some write it, in February: both days are searched.
    """
    year, first, second = (
        (match["year"], match["day"], match["month"]) if match["year"] else (match["last"], match["first"], match["second"])
    )
    orders = [(first, second)] if match["year"] or match["mark"].startswith(".") else [(first, second), (second, first)]
    days = [parsed for day, month in orders if (parsed := _to_date(year, month, day))]
    return tuple(dict.fromkeys(days)) or None


def parse_phone(match: re.Match[str]) -> tuple[str, ...] | None:
    """Return the reversed digits of a phone number, or None for a number with fewer than MIN_PHONE_DIGITS."""
    forms = reversed_digits(match[0])
    return None if is_short_phone(forms) else forms


def parse_short_phone(match: re.Match[str]) -> tuple[str, ...] | None:
    """Return the reversed digits of a number with fewer than MIN_PHONE_DIGITS, or None for another."""
    forms = reversed_digits(match[0])
    return forms if is_short_phone(forms) else None


def is_short_phone(forms: tuple[str, ...]) -> bool:
    """Return whether a number, of which these are the reversed digits, has fewer than MIN_PHONE_DIGITS."""
    return len(forms[0]) < MIN_PHONE_DIGITS


def identifier_keys(parts: Iterator[str]) -> tuple[str, ...]:
    """Return the keys of the identifiers that the parts of a text can be: a value, or `system|value` as in searches of FHIR."""
    keys = (key for part in parts for key in (identifier_key(part), _key_with_system(part)))
    return tuple(key for key in dict.fromkeys(keys) if key)


def _key_with_system(part: str) -> str:
    system, _, value = (word.strip() for word in part.partition("|"))
    return system_key(system, value) if system and identifier_key(value) else identifier_key(value)


def _to_date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
