"""What a check finds: a difference between what is stored and what the product promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from careslot.auditor.stores import Stores

Key = tuple[str, ...]
"""What a check examines, as texts: the id of an appointment, a patient or an event, or a resource with a grain."""

MAX_FINDINGS = 10_000
"""No more findings are kept: where there are so many, a whole store is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `code` is one of `repairs.CODES`, `key` says what differs, and `ids` name the rows that an admin looks up.

    `evidence` are the states that differ. It is the same when the key is examined again unless one of them has changed meanwhile.
    `since` is given for work that is under way, such as an event that waits: it is a fault only when it has waited too long.
    `examined_key` is the key to examine again, for checks where several findings come from one key; None for `key` itself.
    """

    code: str
    key: Key
    ids: dict[str, str]
    evidence: tuple[Any, ...] = ()
    since: datetime | None = None
    examined_key: Key | None = None

    @property
    def identity(self) -> tuple[str, Key]:
        """What two findings have in common if they are the same difference."""
        return self.code, self.key


def differing_names(pairs: Mapping[str, tuple[Any, Any]], ignored: Collection[str] = ()) -> list[str]:
    """Return the names of the pairs (expected, actual) whose two values differ, without the ignored names."""
    return [name for name, (expected, actual) in pairs.items() if expected != actual and name not in ignored]


class Check(Protocol):
    """One promise. Keys come in pages of bounded length, and a page is examined at once."""

    name: str

    def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the keys of everything that the promise is about, in pages."""

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return what is wrong with these keys now."""
