"""The keys by which a patient is found. Case, accents, hyphens and separators do not matter.

A key is a short text of a kind. The search looks up ranges of keys, so that an index answers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import permutations, product
from unicodedata import category, normalize

from patient_svc.domain.identifiers import Identifier
from patient_svc.domain.patients import Patient
from patient_svc.domain.phone_numbers import phone_keys
from patient_svc.domain.search_ranges import MAX_KEY_LENGTH, KeyKind
from shared.contracts.text_search import fold_text

SEARCH_VERSION = 2
"""The version of the rules of this module. Patients whose keys were made by older rules get new keys by a job."""
MAX_PAIRED_WORDS = 8
"""A name with more words has no keys for the ordered pairs of its words, but a key of another kind for each word."""
MAX_WORDS_WITH_TWO_FORMS = 4
"""In a name with more such words, all of them are compared in the same form: Mueller Jaeger or Müller Jäger, not Mueller Jäger."""
NO_DAY = "unknown"
APOSTROPHES = re.compile("['`\u00b4\u02b9\u02bc\u2018\u2019\u2032]")
LETTERS = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters that do not decompose into one without a mark."""
TRANSLITERATIONS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})
"""How names are written where the letter is missing: Mueller is found by Müller, and Müller by Mueller and Muller."""


@dataclass(frozen=True, slots=True, order=True)
class SearchKey:
    """A key of a patient."""

    kind: KeyKind
    key: str


def split_words(text: str) -> list[str]:
    """Return the words of a text: runs of letters, marks and digits. Hyphens, apostrophes and other punctuation separate them."""
    plain = APOSTROPHES.sub(" ", normalize("NFC", text))
    return "".join(character if category(character)[0] in "LMN" else " " for character in plain).split()


def word_forms(word: str) -> list[str]:
    """Return the forms of a word that a key can have: without marks, and with letters for them as in Mueller."""
    lower = normalize("NFC", word).casefold()
    forms = (fold_text(form.translate(LETTERS)) for form in (lower, lower.translate(TRANSLITERATIONS)))
    return [form for form in dict.fromkeys(forms) if form]


def name_keys(full_name: str) -> set[str]:
    """Return the keys of a whole name. Two names share one if they have the same words in any order, each in one of its forms."""
    texts = (full_name, APOSTROPHES.sub("", normalize("NFC", full_name)))
    return {key for text in texts for key in _joined_forms(_forms_of(split_words(text)))}


def name_words(full_name: str) -> list[str]:
    """Return the words of a name, and those with an apostrophe also as one word: O'Brien is found by Brien and by OBrien."""
    joined = [part for part in normalize("NFC", full_name).split() if APOSTROPHES.search(part)]
    return split_words(full_name) + [word for part in joined for word in split_words(APOSTROPHES.sub("", part))]


def name_forms(full_name: str) -> list[list[str]]:
    """Return the forms of each word of a name."""
    return _forms_of(name_words(full_name))


def identifier_key(value: str) -> str:
    """Return the letters and digits of an identifier."""
    words = (word_forms(word) for word in split_words(value))
    return "".join(forms[0] for forms in words if forms)[:MAX_KEY_LENGTH]


def system_key(system: str, value: str) -> str:
    """Return the key of an identifier with its system. Of a long one, the end of the system is left out."""
    return f"{identifier_key(value)}|{system.casefold()}"[:MAX_KEY_LENGTH]


def born_name_key(born_on: date | None, name: str) -> str:
    """Return the key of a day of birth, or of an unknown one, with a form of a word or with the key of a whole name."""
    return f"{born_on.isoformat() if born_on else NO_DAY} {name}"


def search_keys(patient: Patient) -> set[SearchKey]:
    """Return the keys by which a patient is found."""
    keys = (*_name_keys_of(patient), *_other_keys_of(patient))
    return {SearchKey(kind, key[:MAX_KEY_LENGTH]) for kind, key in keys if key}


def _name_keys_of(patient: Patient) -> Iterator[tuple[KeyKind, str]]:
    words = name_forms(patient.full_name)
    is_long = len(words) > MAX_PAIRED_WORDS
    for form in (form for forms in words for form in forms):
        yield KeyKind.NAME, form
        if is_long:
            yield KeyKind.LONG_NAME, form
        if patient.born_on is not None:
            yield KeyKind.BORN_NAME, born_name_key(patient.born_on, form)
    for first, second in () if is_long else permutations(words, 2):
        yield from ((KeyKind.NAMES, f"{form} {other}") for form in first for other in second)
    for name in name_keys(patient.full_name):
        yield KeyKind.FULL_NAME, name
        yield KeyKind.BORN_NAME, born_name_key(patient.born_on, name)


def _other_keys_of(patient: Patient) -> Iterator[tuple[KeyKind, str]]:
    yield KeyKind.EMAIL, patient.email or ""
    if patient.born_on is not None:
        yield KeyKind.BORN_ON, patient.born_on.isoformat()
    for phone in phone_keys(patient.phone or ""):
        yield KeyKind.PHONE, phone
    for identifier in patient.identifiers:
        yield from _identifier_keys(identifier)


def _identifier_keys(identifier: Identifier) -> Iterator[tuple[KeyKind, str]]:
    if value := identifier_key(identifier.value):
        yield KeyKind.IDENTIFIER, value
        yield KeyKind.IDENTIFIER, system_key(identifier.system, value)


def _forms_of(words: list[str]) -> list[list[str]]:
    return [forms for word in words if (forms := word_forms(word))]


def _joined_forms(words: list[list[str]]) -> Iterator[str]:
    """Yield the words of a name in alphabetical order, with each combination of their forms."""
    has_many = sum(len(forms) > 1 for forms in words) > MAX_WORDS_WITH_TWO_FORMS
    combinations = ([forms[number] for forms in words] for number in (0, -1)) if has_many else product(*words)
    yield from (" ".join(sorted(names))[:MAX_KEY_LENGTH] for names in combinations if names)
