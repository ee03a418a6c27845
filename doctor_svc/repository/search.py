"""The search for doctors: the words that are stored for a doctor, and the SQL conditions of a filter. Case and accents do not matter."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, exists, or_

from doctor_svc.domain.doctors import Doctor
from doctor_svc.ports import DoctorFilter
from doctor_svc.repository.tables import DOCTORS, MAX_WORD_LENGTH, SEARCH_WORDS
from shared.contracts.text_search import fold_text


def search_words(doctor: Doctor) -> set[tuple[str, str]]:
    """Return the kinds and words of the rows of SEARCH_WORDS."""
    words = {("name", doctor.full_name), ("location", doctor.location or "")}
    words |= {("specialty", specialty) for specialty in doctor.specialties}
    words |= {("language", language) for language in doctor.languages}
    words |= {("service", str(service_id)) for service_id in doctor.services}
    return {(kind, fold_text(word)[:MAX_WORD_LENGTH]) for kind, word in words}


def filter_conditions(doctor_filter: DoctorFilter) -> Iterator[ColumnElement[bool]]:
    """Yield a condition for each field of the filter that is given."""
    word = SEARCH_WORDS.c.word
    if doctor_filter.specialties:
        yield _has_word(("specialty",), word.in_([fold_text(specialty) for specialty in doctor_filter.specialties]))
    if doctor_filter.services:
        yield _has_word(("service",), word.in_([str(service_id) for service_id in doctor_filter.services]))
    if doctor_filter.languages:
        yield _has_word(("language",), or_(*(_matches_language_range(fold_text(language)) for language in doctor_filter.languages)))
    if doctor_filter.location:
        yield _has_word(("location",), word.contains(fold_text(doctor_filter.location), autoescape=True))
    for part in fold_text(doctor_filter.text or "").split():
        yield _has_word(("name", "specialty"), word.contains(part, autoescape=True))


def _has_word(kinds: tuple[str, ...], condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(SEARCH_WORDS.c.doctor_id == DOCTORS.c.id, SEARCH_WORDS.c.kind.in_(kinds), condition)


def _matches_language_range(language: str) -> ColumnElement[bool]:
    """Return the condition of basic filtering (RFC 4647 section 3.3.1): `en` matches `en` and `en-GB`."""
    return or_(SEARCH_WORDS.c.word == language, SEARCH_WORDS.c.word.startswith(f"{language}-", autoescape=True))
