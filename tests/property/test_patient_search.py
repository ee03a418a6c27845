"""A patient is found by every part of the name, in whatever order, script and Unicode form it is written."""

from __future__ import annotations

from random import Random
from typing import Literal
from unicodedata import normalize
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from patient_svc.domain.patients import Patient
from patient_svc.domain.search import MAX_SEARCH_WORDS, PatientQuery
from patient_svc.domain.search_keys import SearchKey, search_keys, word_forms
from patient_svc.domain.search_ranges import MAX_KEY_LENGTH, KeyRange, KeyTerms

WORDS = st.text(st.characters(categories=("L", "M"), exclude_characters="\u02b9\u02bc\u0374"), min_size=1, max_size=60).filter(word_forms)
FORMS: st.SearchStrategy[Literal["NFC", "NFD"]] = st.sampled_from(["NFC", "NFD"])
NAMES = st.lists(WORDS, min_size=1, max_size=MAX_SEARCH_WORDS)


def keys_of(name: str) -> set[SearchKey]:
    return search_keys(Patient(UUID(int=1), name, None, None))


def finds(lookups: tuple[KeyTerms, ...], keys: set[SearchKey]) -> bool:
    """Return whether one of the lookups finds a patient with these keys."""
    return any(all(any(_is_in(span, keys) for span in term) for term in terms) for terms in lookups)


def _is_in(span: KeyRange, keys: set[SearchKey]) -> bool:
    return any(key.kind is span.kind and span.first <= key.key <= span.last for key in keys)


@given(NAMES, FORMS, st.randoms(use_true_random=False))
def test_a_patient_is_found_by_some_words_of_the_name_in_any_order(words: list[str], form: Literal["NFC", "NFD"], rng: Random) -> None:
    chosen = rng.sample(words, rng.randint(1, len(words)))
    query = PatientQuery.parse(normalize(form, " ".join(chosen)))
    assert finds(query.exact_lookups, keys_of("-".join(words)))


@given(NAMES, st.data())
def test_a_patient_is_found_by_the_beginning_of_the_last_word(words: list[str], data: st.DataObject) -> None:
    beginning = word_forms(words[-1])[0]
    beginning = beginning[: data.draw(st.integers(1, len(beginning)))]
    query = PatientQuery(words=(*dict.fromkeys(words[:-1]), beginning))
    assert finds(query.partial_lookups, keys_of(" ".join(words)))


@given(st.text(max_size=200))
def test_whatever_a_name_is_its_keys_fit_into_the_index(name: str) -> None:
    keys = keys_of(name)
    assert len(keys) < 400
    assert all(0 < len(key.key) <= MAX_KEY_LENGTH for key in keys)
