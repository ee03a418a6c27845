"""What a check finds: a difference between what is stored and what the product promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from careslot.auditor.stores import Stores

Key = tuple[str, ...]
"""What a check examines, as texts: the id of an appointment, a patient, an event, or a resource with a grain."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `code` is one of `repairs.CODES`, `key` is what was examined, and `ids` name the rows that an admin looks up.

    `evidence` are the states that differ. It is the same at the next look unless one of them has changed meanwhile.
    `since` is given for work that is under way, such as an event that waits: it is a fault only when it has waited too long.
    """

    code: str
    key: Key
    ids: dict[str, str]
    evidence: tuple[Any, ...] = ()
    since: datetime | None = None

    @property
    def identity(self) -> tuple[str, Key]:
        """What makes it the same finding at the next look."""
        return self.code, self.key


class Check(Protocol):
    """One promise. Keys come in pages of bounded length, and a page is examined at once."""

    name: str

    def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the keys of everything that the promise is about."""

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return what is wrong with these keys now."""
