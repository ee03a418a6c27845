"""Kinds and ranges of keys, of which the lookups of a search consist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_KEY_LENGTH = 100
HIGHEST_CHARACTER = "\U0010ffff"


class KeyKind(StrEnum):
    """What a key is made from.

    `names` are two words of a name in any order, `full_name` all of them. A name with too many words for pairs has `long_name` for each
    word. `born_name` is the day of birth with a word of the name and with all of them. Phone numbers are reversed. `identifier` is the
    value, and the value with its system.
    """

    NAME = "name"
    NAMES = "names"
    LONG_NAME = "long_name"
    FULL_NAME = "full_name"
    PHONE = "phone"
    BORN_ON = "born_on"
    BORN_NAME = "born_name"
    IDENTIFIER = "identifier"
    EMAIL = "email"


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

    def covers(self, other: KeyRange) -> bool:
        """Return whether all keys of the other range are in this one."""
        return self.kind == other.kind and self.first <= other.first and other.last <= self.last

    @classmethod
    def equal(cls, kind: KeyKind, key: str) -> KeyRange:
        """Return the range of one key."""
        return cls(kind, key[:MAX_KEY_LENGTH], key[:MAX_KEY_LENGTH])

    @classmethod
    def beginning(cls, kind: KeyKind, prefix: str) -> KeyRange:
        """Return the range of all keys that begin with `prefix`."""
        return cls(kind, prefix[:MAX_KEY_LENGTH], prefix[:MAX_KEY_LENGTH] + HIGHEST_CHARACTER)


KeyTerm = tuple[KeyRange, ...]
"""Ranges of keys of one kind. A patient has the term who has a key in one of them."""
KeyTerms = tuple[KeyTerm, ...]
"""What one lookup finds: the patients who have all of these terms. The first term should be one that few patients have."""


def without_covered(ranges: Iterable[KeyRange]) -> KeyTerm:
    """Return the ranges in their order, without repeated ones and those that another range covers."""
    distinct = tuple(dict.fromkeys(ranges))
    return tuple(part for part in distinct if not any(other != part and other.covers(part) for other in distinct))
