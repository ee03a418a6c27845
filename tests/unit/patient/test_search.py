"""What a search text means, the keys of a patient, and the order of the patients who match."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from patient_svc.domain.identifiers import Identifier
from patient_svc.domain.patients import Patient
from patient_svc.domain.search import MAX_SEARCH_WORDS, BadSearch, MatchRank, PatientMatch, PatientQuery, SearchResult
from patient_svc.domain.search_keys import SearchKey, search_keys
from patient_svc.domain.search_ranges import MAX_KEY_LENGTH, KeyKind, KeyRange, KeyTerm
from tests.running import NOON

LONG_NAME = "Maria do Carmo dos Santos Oliveira Silva"
LONGEST_NAME = "Pedro de Alcântara Francisco António João Carlos Xavier de Paula Miguel Rafael Joaquim José Gonzaga Pascoal de Bragança"


def a_patient(full_name: str = "Sam Lee", **fields: Any) -> Patient:
    return Patient(UUID(int=1), full_name, None, None, **fields)


def has_term(patient: Patient, term: KeyTerm) -> bool:
    keys = search_keys(patient)
    return any(key.kind is key_range.kind and key_range.first <= key.key <= key_range.last for key in keys for key_range in term)


def rank_of(text: str, patient: Patient) -> MatchRank | None:
    """Return how well a patient matches a text, as a store looks it up."""
    query = PatientQuery.parse(text)
    lookups_by_rank = (
        (MatchRank.IDENTIFIED, query.identifying_lookups),
        (MatchRank.EXACT, query.exact_lookups),
        (MatchRank.PARTIAL, query.partial_lookups),
    )
    for rank, lookups in lookups_by_rank:
        if any(all(has_term(patient, term) for term in terms) for terms in lookups):
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
        (LONG_NAME, "silva", MatchRank.EXACT),
        (LONG_NAME, "maria silva", MatchRank.EXACT),
        (LONG_NAME, "oliv silva", None),
        (LONG_NAME, "silva oliv", MatchRank.PARTIAL),
        (LONG_NAME, LONG_NAME, MatchRank.EXACT),
        (LONGEST_NAME, "bragança", MatchRank.EXACT),
        (LONGEST_NAME, "braganca pedro", MatchRank.EXACT),
        (LONGEST_NAME, "pedro gonzaga bra", MatchRank.PARTIAL),
        (LONGEST_NAME, "pedro kim bra", None),
        (LONGEST_NAME, LONGEST_NAME, MatchRank.EXACT),
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
        ("+49 30 1230042", "0042", MatchRank.PARTIAL),
        ("+49 30 1234542", "0042", None),
        ("+49 30 1230000", "0000", MatchRank.PARTIAL),
        ("+49 30 1234560", "0000", None),
        ("+49 30 1230042", "00 42", MatchRank.PARTIAL),
        ("+49 30 1230042", "030 123 0042", MatchRank.PARTIAL),
        ("()-", "0000", None),
        ("+49 (0)30 7654321", "+49 30 7654321", MatchRank.EXACT),
        ("+49 30 7654321", "+49 (0)30 7654321", MatchRank.EXACT),
        ("+49(0)30/7654321", "0049 30 7654321", MatchRank.EXACT),
        ("+49 30 7654321", "0049 (030) 7654321", MatchRank.EXACT),
        ("+49 30 7654321", "49 (0) 30 7654321", MatchRank.EXACT),
        ("+49 (0)30 7654321", "030 7654321", MatchRank.PARTIAL),
        ("030 7654321", "+49 (0)30 7654321", MatchRank.EXACT),
        ("+39 06 7654321", "+39 06 7654321", MatchRank.EXACT),
        ("+39 06 7654321", "+39 (0)6 7654321", MatchRank.EXACT),
        ("+49 30 7654321", "+49 30 765\u20134321", MatchRank.EXACT),
        ("+49 30 7654321", "+49 30 765\u20144321", MatchRank.EXACT),
        ("+49 30 7654321", "+49\u201130\u2011765\u22124321", MatchRank.EXACT),
        ("+49 30 7654321", "+49\u00a030\u202f765\u20094321", MatchRank.EXACT),
        ("+49 30 7654321", "\u202a+49 30 7654321\u202c", MatchRank.EXACT),
        ("+49 30 7654321", "+49.30.765\u00b74321", MatchRank.EXACT),
        ("+49 30 7654321", "+49/30/765\u22154321", MatchRank.EXACT),
    ],
)
def test_phone_numbers_are_found_by_their_last_digits(phone: str | None, text: str, rank: MatchRank | None) -> None:
    assert rank_of(text, a_patient(phone=phone)) is rank


@pytest.mark.parametrize(
    "text",
    [
        "1984-06-02",
        "1984-6-2",
        "1984/06/02",
        "1984\u201306\u201302",
        "02.06.1984",
        "2.6.1984",
        "2. 6. 1984",
        "sam 1984-06-02",
        "1984-06-02 le",
        "sam 1984-06-02.",
        "02.06.1984,",
        "sam, 02.06.1984.",
        "(1984-06-02)",
        "*2.6.1984",
        "lee sam 1984-06-02",
    ],
)
def test_a_day_of_birth_is_found_as_it_is_written_here_and_there(text: str) -> None:
    assert rank_of(text, a_patient(born_on=date(1984, 6, 2))) in (MatchRank.EXACT, MatchRank.PARTIAL)
    assert rank_of(text, a_patient(born_on=date(1984, 2, 6))) is None


@pytest.mark.parametrize("text", ["02/06/1984", "2/6/1984", "06/02/1984", "02-06-1984", "sam 02/06/1984,"])
def test_a_day_that_is_written_in_two_orders_is_searched_in_both(text: str) -> None:
    for day in (date(1984, 6, 2), date(1984, 2, 6)):
        assert rank_of(text, a_patient(born_on=day)) is MatchRank.EXACT
    assert rank_of(text, a_patient(born_on=date(1984, 6, 3))) is None


@pytest.mark.parametrize("text", ["13/06/1984", "06/13/1984", "13-06-1984"])
def test_a_day_that_has_a_meaning_in_one_order_only_is_that_day(text: str) -> None:
    assert PatientQuery.parse(text).days == ((date(1984, 6, 13),),)


def test_two_days_find_the_patient_who_has_both() -> None:
    assert rank_of("1984-06-02 1984-06-03", a_patient(born_on=date(1984, 6, 2))) is None


@pytest.mark.parametrize("text", ["31.02.1984", "31/02/1984", "31-02-1984"])
def test_a_date_that_does_not_exist_is_read_as_digits(text: str) -> None:
    assert PatientQuery.parse(text).phones == (("48912013",),)


@pytest.mark.parametrize("text", ["1984-06-021", "1.02.06.1984", "02.06.1984.7", "02.06-1984"])
def test_digits_that_only_contain_a_day_are_no_day(text: str) -> None:
    assert PatientQuery.parse(text).days == ()


@pytest.mark.parametrize("text", ["A-123 456", "a123456", "kim A123456", "sam a123456"])
def test_an_identifier_finds_its_patient_whatever_the_other_words_are(text: str) -> None:
    assert rank_of(text, a_patient(identifiers=(Identifier("urn:x", "A123 456"),))) is MatchRank.IDENTIFIED
    assert rank_of(text, a_patient(identifiers=(Identifier("urn:x", "A1234567"),))) is None


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("urn:x:2|777666555", MatchRank.IDENTIFIED),
        ("URN:X:2|777 666-555", MatchRank.IDENTIFIED),
        ("kim urn:x:2|777666555", MatchRank.IDENTIFIED),
        ("|777666555", MatchRank.IDENTIFIED),
        ("777666555", MatchRank.IDENTIFIED),
        ("urn:x:3|777666555", None),
        ("urn:x:2|777666556", None),
        ("urn:x:2|", None),
    ],
)
def test_an_identifier_is_found_with_its_system_as_searches_of_fhir_write_both(text: str, rank: MatchRank | None) -> None:
    assert rank_of(text, a_patient(identifiers=(Identifier("urn:x:2", "777666555"),))) is rank


def test_an_identifier_with_a_sign_between_its_parts_is_found() -> None:
    assert rank_of("ab|12", a_patient(identifiers=(Identifier("urn:x", "AB|12"),))) is MatchRank.IDENTIFIED


def test_an_address_is_compared_as_a_whole() -> None:
    patient = a_patient(email="jo@example.com")
    assert rank_of("JO@example.com", patient) is MatchRank.IDENTIFIED
    assert rank_of("jo@example.co", patient) is None
    assert PatientQuery.parse("lee jo@example.com").only_identifying().exact_lookups == ()


@pytest.mark.parametrize("text", ["lee jo@example.com,", "<jo@example.com>", "(jo@example.com).", '"jo@example.com";'])
def test_an_address_is_found_with_punctuation_around_it(text: str) -> None:
    assert rank_of(text, a_patient(email="jo@example.com")) is MatchRank.IDENTIFIED


TOO_MANY = (" ".join(f"w{number}" for number in range(MAX_SEARCH_WORDS + 1)), ",".join(f"555{number}" for number in range(7)))


@pytest.mark.parametrize("text", ["--", "' '", "@", "\u0301\u0301", *TOO_MANY])
def test_a_text_without_words_or_with_too_many_is_refused(text: str) -> None:
    with pytest.raises(BadSearch):
        PatientQuery.parse(text)


@pytest.mark.parametrize("text", ["joaquim da silva", "da joaquim silva"])
def test_the_first_term_of_a_search_is_the_pair_that_the_fewest_patients_have(text: str) -> None:
    assert PatientQuery.parse(text).exact_lookups[0][0] == (KeyRange.equal(KeyKind.NAMES, "joaquim silva"),)


def test_the_keys_of_a_patient_are_bounded() -> None:
    born_on = date(1984, 6, 2)
    for name in (" ".join(f"ä{number}{'ö' * 20}" for number in range(8)), " ".join(map(chr, range(0x4E00, 0x4E00 + 100)))):
        keys = search_keys(a_patient(name, phone="1" * 32, born_on=born_on))
        assert len(keys) < 320
    long = search_keys(a_patient(f"{'a' * 60} {'b' * 60}"))
    assert max(len(key.key) for key in long) == MAX_KEY_LENGTH


def test_what_a_patient_does_not_have_is_no_key() -> None:
    keys = {SearchKey(KeyKind.NAME, "sam"), SearchKey(KeyKind.FULL_NAME, "sam"), SearchKey(KeyKind.BORN_NAME, "unknown sam")}
    assert search_keys(a_patient("Sam")) == keys


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


@pytest.mark.parametrize("text", ["4567", "+49 30 1234567", "mia", "02/06/1984"], ids=["digits", "phone", "word", "day"])
def test_a_single_word_looks_up_no_range_twice(text: str) -> None:
    query = PatientQuery.parse(text)
    ranges = [key_range for lookups in (query.exact_lookups, query.partial_lookups) for (term,) in lookups for key_range in term]
    assert len(ranges) == len(set(ranges))
    partial = [key_range for (term,) in query.partial_lookups for key_range in term]
    assert not any(part != other and other.covers(part) for part in partial for other in partial)


@pytest.mark.parametrize(
    ("phone", "text", "rank"),
    [
        ("112", "112", MatchRank.EXACT),
        ("1-12", "112", MatchRank.EXACT),
        ("(7)", "7", MatchRank.EXACT),
        ("112", "lee 112", MatchRank.EXACT),
        ("112", "le 112", MatchRank.PARTIAL),
        ("112", "kim 112", None),
        ("+49 30 123112", "112", None),
    ],
    ids=["whole", "signs", "one digit", "with a name", "with a part of a name", "with another name", "end of a long number"],
)
def test_a_phone_number_of_few_digits_is_found_as_a_whole(phone: str, text: str, rank: MatchRank | None) -> None:
    assert rank_of(text, a_patient(phone=phone)) is rank


def test_few_digits_are_also_a_word_of_a_name() -> None:
    assert rank_of("karl 3", a_patient("Karl 3 Roe", phone="112")) is MatchRank.EXACT
