"""The search for patients: what a text searches for, and the order of the patients who match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import IntEnum
from uuid import UUID

from patient_svc.domain.phone_numbers import longer_phone_ranges, plain_signs, same_phone_ranges, trailing_digit_ranges
from patient_svc.domain.search_keys import born_name_key, split_words, word_forms
from patient_svc.domain.search_ranges import KeyKind, KeyRange, KeyTerm, KeyTerms, without_covered
from patient_svc.domain.search_texts import (
    DAY,
    EMAIL,
    PHONE,
    identifier_keys,
    is_short_phone,
    parse_days,
    parse_email,
    parse_phone,
    parse_short_phone,
    take_parts,
)
from shared.contracts.refusals import Invalid

MAX_SEARCH_WORDS = 32
"""The largest number of words, numbers, days and addresses in a search. The whole names of people have fewer words."""
MAX_SEARCH_NUMBERS = 6
"""The largest number of phone numbers, days and addresses together in a search."""
MAX_MATCHES = 300
"""The largest number of patients that one lookup of a search reads. If more match, the answer says that it is not complete."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MatchKey = tuple[int, int, UUID]
"""The place of a match in the order of matches."""


class BadSearch(Invalid):
    """Raised when a search has no word with a letter or a digit, or more words than MAX_SEARCH_WORDS or numbers than MAX_SEARCH_NUMBERS."""

    code = "bad_search"
    detail = (
        "Search for parts of a name, a phone number, a day of birth, an identifier or an email address: 1 to 32 words, of which up to six "
        "are numbers, days or addresses."
    )
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
    """What a text searches for. `words` are parts of a name, `identifiers` keys of identifiers.

    `phones` has the reversed digits of each phone number in its forms, `days` what each day can mean. `with_short_phones` is what the text
    searches for if its numbers of few digits are no words of a name but whole phone numbers; None if it has no such numbers.
    """

    words: tuple[str, ...] = ()
    phones: tuple[tuple[str, ...], ...] = ()
    days: tuple[tuple[date, ...], ...] = ()
    emails: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    with_short_phones: PatientQuery | None = None

    @classmethod
    def parse(cls, text: str) -> PatientQuery:
        """Return what a text searches for. Raises BadSearch."""
        emails, rest = take_parts(EMAIL, text, parse_email)
        days, rest = take_parts(DAY, plain_signs(rest), parse_days)
        phones, rest = take_parts(PHONE, rest, parse_phone)
        words, short_phones, words_beside = _distinct_words(rest), *take_parts(PHONE, rest, parse_short_phone)
        numbers = len(emails) + len(days) + len(phones)
        if not 1 <= numbers + len(words) <= MAX_SEARCH_WORDS or numbers > MAX_SEARCH_NUMBERS:
            raise BadSearch(pointer="/q")
        parts = iter((text, *text.split()[:MAX_SEARCH_WORDS]))
        query = cls(words, phones, days, emails, identifier_keys(parts))
        if not short_phones or numbers + len(short_phones) > MAX_SEARCH_NUMBERS:
            return query
        return replace(query, with_short_phones=replace(query, words=_distinct_words(words_beside), phones=phones + short_phones))

    @property
    def identifying_lookups(self) -> tuple[KeyTerms, ...]:
        """The lookups by what finds a patient alone."""
        identifiers = tuple(KeyRange.equal(KeyKind.IDENTIFIER, key) for key in self.identifiers)
        emails = tuple(KeyRange.equal(KeyKind.EMAIL, email) for email in self.emails)
        return tuple((term,) for term in (identifiers, emails) if term)

    @property
    def exact_lookups(self) -> tuple[KeyTerms, ...]:
        """The lookups that together find the patients who match with all words exactly."""
        others = self.with_short_phones.exact_lookups if self.with_short_phones else ()
        return self._lookups([same_phone_ranges(digits) for digits in self.phones], KeyRange.equal) + others

    @property
    def partial_lookups(self) -> tuple[KeyTerms, ...]:
        """The lookups of patients who match with all words, of which the last part of a name and phone numbers may be incomplete.

        What the exact lookups find alone is left out.
        """
        exact = self.exact_lookups
        is_exact = {key_range for terms in exact if len(terms) == 1 for key_range in terms[0]}
        meanings = (self, self.with_short_phones) if self.with_short_phones else (self,)
        lookups = [
            terms
            for meaning in meanings
            for terms in meaning._lookups([_partial_phone_term(digits) for digits in meaning.phones], KeyRange.beginning)
        ]
        shorter = (terms if len(terms) > 1 else (tuple(part for part in terms[0] if part not in is_exact),) for terms in lookups)
        return tuple(terms for terms in shorter if terms[0] and terms not in exact)

    def only_identifying(self) -> PatientQuery:
        """Return the query without the words that several patients may have in common."""
        return replace(self, words=(), phones=(), days=(), with_short_phones=None)

    def _lookups(self, phone_terms: list[KeyTerm], range_of_last: Callable[[KeyKind, str], KeyRange]) -> tuple[KeyTerms, ...]:
        """Return the lookups of patients who have all words. The term that the fewest patients have is the first one."""
        words = [word_forms(word) for word in self.words]
        if self.phones or self.days:
            day_terms = list(self._day_terms(words, range_of_last))
            has_last = bool(words) and not self.days
            names = _word_terms(KeyKind.NAME, words if has_last else words[:-1], range_of_last if has_last else KeyRange.equal)
            return ((*phone_terms, *day_terms, *names),)
        if len(words) > 1:
            *earlier, last = words
            longest = max(earlier, key=lambda forms: len(forms[0]))  # fewer people have it than have a short word such as "da" or "von"
            pair = tuple(range_of_last(KeyKind.NAMES, f"{form} {end}") for form in longest for end in last)
            others = [forms for forms in earlier if forms is not longest]
            paired = (pair, *_word_terms(KeyKind.NAME, others, KeyRange.equal))
            return paired, tuple(_word_terms(KeyKind.LONG_NAME, words, range_of_last))
        return tuple((term,) for term in _word_terms(KeyKind.NAME, words, range_of_last))

    def _day_terms(self, words: list[list[str]], range_of_last: Callable[[KeyKind, str], KeyRange]) -> Iterator[KeyTerm]:
        """Yield a term for each day. That of the first one has the last word of the name, too."""
        for number, days in enumerate(self.days):
            if words and number == 0:
                yield tuple(range_of_last(KeyKind.BORN_NAME, born_name_key(day, form)) for day in days for form in words[-1])
            else:
                yield tuple(KeyRange.equal(KeyKind.BORN_ON, day.isoformat()) for day in days)


def _distinct_words(text: str) -> tuple[str, ...]:
    """Return the words of a text, those that are compared alike only once."""
    return tuple({forms[0]: word for word in split_words(text) if (forms := word_forms(word))}.values())


def _partial_phone_term(digits: tuple[str, ...]) -> KeyTerm:
    """Return the ranges of phone numbers that are this one or end with it. Too many end with few digits, so those are compared whole."""
    if is_short_phone(digits):
        return same_phone_ranges(digits)
    return without_covered((*same_phone_ranges(digits), *trailing_digit_ranges(digits), *longer_phone_ranges(digits)))


def _word_terms(kind: KeyKind, words: list[list[str]], range_of_last: Callable[[KeyKind, str], KeyRange]) -> Iterator[KeyTerm]:
    """Yield a term for each word, the last word first."""
    if words:
        yield tuple(range_of_last(kind, form) for form in words[-1])
    for forms in reversed(words[:-1]):
        yield tuple(KeyRange.equal(kind, form) for form in forms)
