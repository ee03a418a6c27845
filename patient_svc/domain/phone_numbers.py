"""How phone numbers are compared: by their digits from the end, without what depends on how and from where a number is written."""

from __future__ import annotations

import re
from unicodedata import category

from patient_svc.domain.search_ranges import KeyKind, KeyRange, KeyTerm

MIN_LOCAL_DIGITS, MAX_PHONE_DIGITS = 6, 32
"""A number with fewer digits than MIN_LOCAL_DIGITS is compared as a whole: it may be an extension, but no number in a city."""
TRUNK_ZEROS = re.compile(r"^(\(?(?:\+|00) ?[1-9][0-9]{0,2}[^0-9]+|[1-9][0-9]{0,2}[^0-9]*\( ?)0+")
"""The code of a country, and zeros after it that are dialled within that country only, as in +49 (0)30."""
OTHER_SIGNS = {"\u2212": "-", "\u2044": "/", "\u2215": "/", "\uff0f": "/", "\uff0e": ".", "\u2024": ".", "\u00b7": ".", "\uff0b": "+"}
PLAIN_CATEGORIES = {"Pd": "-", "Zs": " ", "Cf": " "}
"""Dashes, spaces such as the non-breaking one, and invisible characters that come along when a number is copied."""


def plain_signs(text: str) -> str:
    """Return the text with ASCII signs for the dashes, spaces, slashes and dots that numbers and days are written with."""
    return "".join(OTHER_SIGNS.get(character) or PLAIN_CATEGORIES.get(category(character), character) for character in text)


def reversed_digits(phone: str) -> tuple[str, ...]:
    """Return the digits of a phone number from the end; also without the zeros after the code of a country, if there are some."""
    forms = (phone, TRUNK_ZEROS.sub(r"\1", plain_signs(phone).strip()))
    return tuple(dict.fromkeys(re.sub("[^0-9]", "", form)[::-1] for form in forms))


def phone_keys(phone: str) -> tuple[str, ...]:
    """Return the keys of a phone number: its digits from the end, without zeros at the beginning of the number."""
    keys = (digits.rstrip("0") for digits in reversed_digits(phone))
    return tuple(key for key in dict.fromkeys(keys) if key)


def same_phone_ranges(digits: tuple[str, ...]) -> KeyTerm:
    """Return the ranges of the same phone number: as it is, and without some of its first digits, such as those of the country."""
    keys = dict.fromkeys(form.rstrip("0") for form in digits)
    shorter = (key[:length] for key in keys for length in range(MIN_LOCAL_DIGITS, min(len(key), MAX_PHONE_DIGITS)))
    return tuple(KeyRange.equal(KeyKind.PHONE, key) for key in dict.fromkeys((*keys, *shorter)))


def longer_phone_ranges(digits: tuple[str, ...]) -> KeyTerm:
    """Return the ranges of phone numbers that end with the same number, which may begin with the zero of a city."""
    keys = dict.fromkeys(form.rstrip("0") for form in digits)
    return tuple(KeyRange.beginning(KeyKind.PHONE, key) for key in keys if len(key) >= MIN_LOCAL_DIGITS)


def trailing_digit_ranges(digits: tuple[str, ...]) -> KeyTerm:
    """Return the ranges of phone numbers that end with these digits, all zeros among them."""
    return tuple(KeyRange.beginning(KeyKind.PHONE, form) for form in digits)


def is_same_phone(phone: str | None, other: str | None) -> bool:
    """Return whether two numbers are the same, also if one lacks the code of the country or the city."""
    return any(_is_same_key(key, other_key) for key in phone_keys(phone or "") for other_key in phone_keys(other or ""))


def _is_same_key(key: str, other: str) -> bool:
    shorter, longer = sorted((key, other), key=len)
    return longer.startswith(shorter) and (len(shorter) >= MIN_LOCAL_DIGITS or key == other)
