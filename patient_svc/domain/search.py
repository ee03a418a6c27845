"""The search for patients: what a text searches for, and the order of the patients who match."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from patient_svc.domain.search_keys import KeyKind, KeyRange, identifier_key, phone_key, split_words, word_forms
from shared.contracts.refusals import Invalid
from shared.contracts.values import Email

MAX_SEARCH_WORDS = 6
MAX_MATCHES = 300
"""The largest number of patients that one lookup of a search reads. If more match, the answer says that it is not complete."""
MIN_PHONE_DIGITS, MIN_LOCAL_DIGITS, MAX_PHONE_DIGITS = 4, 6, 32
EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
DAY = re.compile(r"(?<![0-9.-])(?:([0-9]{4})-([0-9]{2})-([0-9]{2})|([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}))(?![0-9.-])")
PHONE = re.compile(r"(?<![^\W_])\+?\(?[0-9][0-9 ()./-]*[0-9](?![^\W_])")
EMAIL_ADDRESS: TypeAdapter[str] = TypeAdapter(Email)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Value = TypeVar("Value")

KeyTerm = tuple[KeyRange, ...]
"""Ranges of keys of one kind. A patient has the term who has a key in one of them."""
MatchKey = tuple[int, int, UUID]
"""The place of a match in the order of matches."""


class BadSearch(Invalid):
    """Raised when a search has no word with a letter or a digit, or more words than MAX_SEARCH_WORDS."""

    code = "bad_search"
    detail = "Search for one to six words: parts of a name, a phone number, a day of birth, an identifier or an email address."
    remedy = "Send fewer words; two or three parts of a name, or a phone number, are enough."
    example_pointers = ("/q",)


class MatchRank(IntEnum):
    """How well a patient matches, the best first."""

    IDENTIFIED = 0
    """An identifier or an email address is the searched one."""
    EXACT = 1
    """All words are those of the patient."""
    PARTIAL = 2
    """All words match, but the last part of the name or the phone number is only a part of the patient's."""


@dataclass(frozen=True, slots=True)
class PatientMatch:
    """A patient whom a search found. `latest_visit_at` (UTC) is the start of the latest visit, which may be ahead; None without visits."""

    patient_id: UUID
    rank: MatchRank
    latest_visit_at: datetime | None

    @property
    def sort_key(self) -> MatchKey:
        """The place in the order: by rank, then by the latest visit, the most recent first."""
        seconds = int((self.latest_visit_at - EPOCH).total_seconds()) if self.latest_visit_at else 0
        return int(self.rank), -seconds, self.patient_id


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What the lookups of a search found. `is_complete` is False if there may be other patients who match."""

    matches: tuple[PatientMatch, ...]
    is_complete: bool

    def after(self, key: MatchKey | None) -> list[PatientMatch]:
        """Return the matches in their order, from the first one after `key` on."""
        ordered = sorted(self.matches, key=lambda match: match.sort_key)
        return [match for match in ordered if key is None or match.sort_key > key]


@dataclass(frozen=True, slots=True)
class PatientQuery:
    """What a text searches for. `words` are parts of a name, `phones` reversed digits, `identifiers` keys of identifiers."""

    words: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    days: tuple[date, ...] = ()
    emails: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> PatientQuery:
        """Return what a text searches for. Raises BadSearch."""
        emails, rest = _take(EMAIL, text, _parse_email)
        days, rest = _take(DAY, rest, _parse_day)
        phones, rest = _take(PHONE, rest, _parse_phone)
        words = tuple({forms[0]: word for word in split_words(rest) if (forms := word_forms(word))}.values())
        if not 1 <= len(emails) + len(days) + len(phones) + len(words) <= MAX_SEARCH_WORDS:
            raise BadSearch(pointer="/q")
        parts = (identifier_key(part) for part in (text, *text.split()[:MAX_SEARCH_WORDS]))
        return cls(words, phones, days, emails, tuple(key for key in dict.fromkeys(parts) if key))

    @property
    def identifying_terms(self) -> tuple[KeyTerm, ...]:
        """The terms of which each alone finds a patient."""
        identifiers = tuple(KeyRange.equal(KeyKind.IDENTIFIER, key) for key in self.identifiers)
        emails = tuple(KeyRange.equal(KeyKind.EMAIL, email) for email in self.emails)
        return tuple(term for term in (identifiers, emails) if term)

    @property
    def exact_terms(self) -> tuple[KeyTerm, ...]:
        """The terms of patients who match with all words exactly, the most selective first."""
        return (*map(phone_ranges, self.phones), *self._day_terms, *self._name_terms(KeyRange.equal))

    @property
    def partial_terms(self) -> tuple[KeyTerm, ...]:
        """The terms of patients who match with all words, of which the last part of a name and phone numbers may be incomplete."""
        phones = ((*phone_ranges(digits), KeyRange.beginning(KeyKind.PHONE, digits)) for digits in self.phones)
        return (*phones, *self._day_terms, *self._name_terms(KeyRange.beginning))

    @property
    def _day_terms(self) -> list[KeyTerm]:
        return [(KeyRange.equal(KeyKind.BORN_ON, day.isoformat()),) for day in self.days]

    def only_identifying(self) -> PatientQuery:
        """Return the query without the words that several patients may have in common."""
        return replace(self, words=(), phones=(), days=())

    def _name_terms(self, range_of_last: Callable[[KeyKind, str], KeyRange]) -> Iterator[KeyTerm]:
        """Yield the terms of the words: one for the last two, which few patients share, and one for each word before them."""
        forms = [word_forms(word) for word in self.words]
        if len(forms) == 1:
            yield tuple(range_of_last(KeyKind.NAME, form) for form in forms[0])
        elif forms:
            yield tuple(range_of_last(KeyKind.NAMES, f"{form} {last}") for form in forms[-2] for last in forms[-1])
        for earlier in forms[:-2]:
            yield tuple(KeyRange.equal(KeyKind.NAME, form) for form in earlier)


def _take(pattern: re.Pattern[str], text: str, parse: Callable[[re.Match[str]], Value | None]) -> tuple[tuple[Value, ...], str]:
    """Return what `parse` makes of the matches in a text, and the text without them. Where it returns None, the text stays."""
    values = list[Value]()
    rest, end = "", 0
    for match in pattern.finditer(text):
        value = parse(match)
        if value is not None:
            values.append(value)
            rest, end = f"{rest}{text[end : match.start()]} ", match.end()
    return tuple(dict.fromkeys(values)), rest + text[end:]


def _parse_email(match: re.Match[str]) -> str | None:
    try:
        return EMAIL_ADDRESS.validate_python(match[0])
    except ValidationError:
        return None


def _parse_day(match: re.Match[str]) -> date | None:
    year, month, day = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _parse_phone(match: re.Match[str]) -> str | None:
    """Return the key of a phone number, or None for a number that is too short for one."""
    has_enough_digits = len(re.sub("[^0-9]", "", match[0])) >= MIN_PHONE_DIGITS
    return (phone_key(match[0]) or None) if has_enough_digits else None


def phone_ranges(key: str) -> KeyTerm:
    """Return the ranges of the same phone number: as it is, and without some of its first digits, such as those of the country."""
    shorter = (key[:length] for length in range(MIN_LOCAL_DIGITS, min(len(key), MAX_PHONE_DIGITS)))
    return tuple(KeyRange.equal(KeyKind.PHONE, digits) for digits in (key, *shorter))
