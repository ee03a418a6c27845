"""The keys by which a patient is found. Case, accents, hyphens and separators do not matter.

A key is a short text of a kind. The search looks up ranges of keys, so that an index answers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations
from unicodedata import category, normalize

from patient_svc.domain.patients import Patient
from shared.contracts.text_search import fold_text

SEARCH_VERSION = 1
"""The version of the rules of this module. Patients whose keys were made by older rules get new keys by a job."""
MAX_KEY_LENGTH = 100
MAX_NAME_WORDS = 6
"""The number of words of a name that are keys; there is also a key for each ordered pair of them."""
HIGHEST_CHARACTER = "\U0010ffff"
APOSTROPHES = re.compile("['`\u00b4\u02b9\u02bc\u2018\u2019\u2032]")
LETTERS = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters that do not decompose into one without a mark."""
TRANSLITERATIONS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})
"""How names are written where the letter is missing: Mueller is found by Müller, and Müller by Mueller and Muller."""


class KeyKind(StrEnum):
    """What a key is made from. `names` are two words of a name in any order, `full_name` all of them; phone numbers are reversed."""

    NAME = "name"
    NAMES = "names"
    FULL_NAME = "full_name"
    PHONE = "phone"
    BORN_ON = "born_on"
    IDENTIFIER = "identifier"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, order=True)
class SearchKey:
    """A key of a patient."""

    kind: KeyKind
    key: str


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys of a kind from `first` to `last`, both included, by code point."""

    kind: KeyKind
    first: str
    last: str

    @property
    def is_single(self) -> bool:
        """True for the range of one key."""
        return self.first == self.last

    @classmethod
    def equal(cls, kind: KeyKind, key: str) -> KeyRange:
        """Return the range of one key."""
        return cls(kind, key[:MAX_KEY_LENGTH], key[:MAX_KEY_LENGTH])

    @classmethod
    def beginning(cls, kind: KeyKind, prefix: str) -> KeyRange:
        """Return the range of all keys that begin with `prefix`."""
        return cls(kind, prefix[:MAX_KEY_LENGTH], prefix[:MAX_KEY_LENGTH] + HIGHEST_CHARACTER)


def split_words(text: str) -> list[str]:
    """Return the words of a text: runs of letters, marks and digits. Hyphens, apostrophes and other punctuation separate them."""
    plain = APOSTROPHES.sub(" ", normalize("NFC", text))
    return "".join(character if category(character)[0] in "LMN" else " " for character in plain).split()


def word_forms(word: str) -> list[str]:
    """Return the forms of a word that a key can have: without marks, and with letters for them as in Mueller."""
    lower = normalize("NFC", word).casefold()
    forms = (fold_text(form.translate(LETTERS)) for form in (lower, lower.translate(TRANSLITERATIONS)))
    return [form for form in dict.fromkeys(forms) if form]


def name_key(full_name: str) -> str:
    """Return a key that two names share if they have the same words in any order."""
    words = (word_forms(word) for word in split_words(full_name))
    return " ".join(sorted(forms[-1] for forms in words if forms))[:MAX_KEY_LENGTH]


def phone_key(phone: str) -> str:
    """Return the digits of a phone number from the end, without leading zeros of the number."""
    return re.sub("[^0-9]", "", phone)[::-1].rstrip("0")


def identifier_key(value: str) -> str:
    """Return the letters and digits of an identifier."""
    words = (word_forms(word) for word in split_words(value))
    return "".join(forms[0] for forms in words if forms)[:MAX_KEY_LENGTH]


def search_keys(patient: Patient) -> set[SearchKey]:
    """Return the keys by which a patient is found."""
    return {SearchKey(kind, key[:MAX_KEY_LENGTH]) for kind, key in _keys(patient) if key}


def _keys(patient: Patient) -> Iterator[tuple[KeyKind, str]]:
    words = [forms for word in _name_words(patient.full_name) if (forms := word_forms(word))][:MAX_NAME_WORDS]
    for forms in words:
        yield from ((KeyKind.NAME, form) for form in forms)
    for first, second in permutations(words, 2):
        yield from ((KeyKind.NAMES, f"{form} {other}") for form in first for other in second)
    yield KeyKind.FULL_NAME, name_key(patient.full_name)
    yield KeyKind.PHONE, phone_key(patient.phone or "")
    yield KeyKind.EMAIL, patient.email or ""
    if patient.born_on is not None:
        yield KeyKind.BORN_ON, patient.born_on.isoformat()
    for identifier in patient.identifiers:
        yield KeyKind.IDENTIFIER, identifier_key(identifier.value)


def _name_words(full_name: str) -> list[str]:
    """Return the words of a name, and those with an apostrophe also as one word: O'Brien is found by Brien and by OBrien."""
    joined = [part for part in normalize("NFC", full_name).split() if APOSTROPHES.search(part)]
    return split_words(full_name) + [word for part in joined for word in split_words(APOSTROPHES.sub("", part))]
