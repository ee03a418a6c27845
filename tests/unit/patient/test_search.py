"""What a search text means, the keys of a patient, and the order of the patients who match."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from patient_svc.domain.identifiers import Identifier
from patient_svc.domain.patients import Patient
from patient_svc.domain.search import BadSearch, KeyTerm, MatchRank, PatientMatch, PatientQuery, SearchResult
from patient_svc.domain.search_keys import MAX_KEY_LENGTH, KeyKind, SearchKey, search_keys
from tests.running import NOON


def a_patient(full_name: str = "Sam Lee", **fields: Any) -> Patient:
    return Patient(UUID(int=1), full_name, None, None, **fields)


def has_term(patient: Patient, term: KeyTerm) -> bool:
    keys = search_keys(patient)
    return any(key.kind is key_range.kind and key_range.first <= key.key <= key_range.last for key in keys for key_range in term)


def rank_of(text: str, patient: Patient) -> MatchRank | None:
    """Return how well a patient matches a text, as a store looks it up."""
    query = PatientQuery.parse(text)
    if any(has_term(patient, term) for term in query.identifying_terms):
        return MatchRank.IDENTIFIED
    for rank, terms in ((MatchRank.EXACT, query.exact_terms), (MatchRank.PARTIAL, query.partial_terms)):
        if terms and all(has_term(patient, term) for term in terms):
            return rank
    return None


@pytest.mark.parametrize(
    ("name", "text", "rank"),
    [
        ("Sam Lee", "sam", MatchRank.EXACT),
        ("Sam Lee", "LEE SAM", MatchRank.EXACT),
        ("Sam Lee", "lee sa", MatchRank.PARTIAL),
        ("Sam Lee", "le", MatchRank.PARTIAL),
        ("Sam Lee", "sa lee", None),
        ("Sam Lee", "sam lee sam", MatchRank.EXACT),
        ("Sam Lee", "sam kim", None),
        ("Zoë Brontë-Smith", "bronte smith", MatchRank.EXACT),
        ("Zoe Bronte Smith", "Zoë Brontë-Sm", MatchRank.PARTIAL),
        ("Jürgen Müller", "Mueller Juergen", MatchRank.EXACT),
        ("Jürgen Müller", "muller", MatchRank.EXACT),
        ("Juergen Mueller", "Jürgen Müller", MatchRank.EXACT),
        ("Søren Åberg", "soren aaberg", MatchRank.EXACT),
        ("Łukasz Straße", "lukasz strasse", MatchRank.EXACT),
        ("Siobhán O\u2019Brien", "o'brien", MatchRank.EXACT),
        ("Siobhán O'Brien", "siobhan obrien", MatchRank.EXACT),
        ("Anna Maria von der Heide", "heide anna maria", MatchRank.EXACT),
        ("Anna Maria von der Heide", "anna von hei", MatchRank.PARTIAL),
        ("Anna Maria von der Heide", "anna karl hei", None),
        ("王小明", "王小明", MatchRank.EXACT),
        ("Anna Anna", "anna", MatchRank.EXACT),
    ],
)
def test_names_are_found_by_their_parts_whatever_case_marks_and_hyphens_are(name: str, text: str, rank: MatchRank | None) -> None:
    assert rank_of(text, a_patient(name)) is rank


@pytest.mark.parametrize(
    ("phone", "text", "rank"),
    [
        ("+49 30 1234567", "+49 (30) 123-4567", MatchRank.EXACT),
        ("+49 30 1234567", "0049 30 1234567", MatchRank.EXACT),
        ("+49 30 1234567", "030 / 1234567", MatchRank.PARTIAL),
        ("030 1234567", "+49 30 1234567", MatchRank.EXACT),
        ("+49 30 1234567", "4567", MatchRank.PARTIAL),
        ("+49 30 1234567", "567", None),
        ("+49 30 1234567", "1234", None),
        ("+49 30 1234567", "sam 4567", MatchRank.PARTIAL),
        ("+49 30 1234567", "kim 4567", None),
        (None, "4567", None),
        ("+49 30 1234000", "4000", MatchRank.PARTIAL),
        ("()-", "0000", None),
    ],
)
def test_phone_numbers_are_found_by_their_last_digits(phone: str | None, text: str, rank: MatchRank | None) -> None:
    assert rank_of(text, a_patient(phone=phone)) is rank


@pytest.mark.parametrize("text", ["1984-06-02", "02.06.1984", "2.6.1984", "sam 1984-06-02", "1984-06-02 le"])
def test_a_day_of_birth_is_found_as_it_is_written_here_and_there(text: str) -> None:
    assert rank_of(text, a_patient(born_on=date(1984, 6, 2))) in (MatchRank.EXACT, MatchRank.PARTIAL)
    assert rank_of(text, a_patient(born_on=date(1984, 2, 6))) is None


def test_a_date_that_does_not_exist_is_read_as_digits() -> None:
    assert PatientQuery.parse("31.02.1984").phones == ("48912013",)


@pytest.mark.parametrize("text", ["A-123 456", "a123456", "kim A123456", "sam a123456"])
def test_an_identifier_finds_its_patient_whatever_the_other_words_are(text: str) -> None:
    assert rank_of(text, a_patient(identifiers=(Identifier("urn:x", "A123 456"),))) is MatchRank.IDENTIFIED
    assert rank_of(text, a_patient(identifiers=(Identifier("urn:x", "A1234567"),))) is None


def test_an_address_is_compared_as_a_whole() -> None:
    patient = a_patient(email="jo@example.com")
    assert rank_of("JO@example.com", patient) is MatchRank.IDENTIFIED
    assert rank_of("jo@example.co", patient) is None
    assert PatientQuery.parse("lee jo@example.com").only_identifying().exact_terms == ()


@pytest.mark.parametrize("text", ["--", "' '", "a b c d e f g", "@", "\u0301\u0301"])
def test_a_text_without_words_or_with_too_many_is_refused(text: str) -> None:
    with pytest.raises(BadSearch):
        PatientQuery.parse(text)


def test_the_keys_of_a_patient_are_bounded() -> None:
    keys = search_keys(a_patient(" ".join(f"ä{number}{'ö' * 20}" for number in range(9)), phone="1" * 32))
    assert len(keys) < 200
    assert max(len(key.key) for key in keys) == MAX_KEY_LENGTH


def test_what_a_patient_does_not_have_is_no_key() -> None:
    assert search_keys(a_patient("Sam")) == {SearchKey(KeyKind.NAME, "sam"), SearchKey(KeyKind.FULL_NAME, "sam")}


def a_match(number: int, rank: MatchRank, days_ago: int | None = None) -> PatientMatch:
    return PatientMatch(UUID(int=number), rank, None if days_ago is None else NOON - timedelta(days=days_ago))


def test_matches_are_in_the_order_of_their_rank_then_of_the_latest_visit_then_of_the_id() -> None:
    best, exact, partial = MatchRank
    ordered = [
        a_match(9, best),
        a_match(8, exact, -1),
        a_match(7, exact, 3),
        a_match(2, exact),
        a_match(6, exact),
        a_match(1, partial, 0),
    ]
    result = SearchResult(tuple(reversed(ordered)), True)
    assert result.after(None) == ordered
    assert result.after(ordered[2].sort_key) == ordered[3:]
    assert result.after(a_match(7, exact, 4).sort_key) == ordered[3:], "also where the last one of the page has moved"
