"""The catalogue of public codes: what each means, and what a caller can do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

CodePlace = Literal["code", "errors", "reasons"]


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One code. `places` are the members of a problem document that can carry it.

    `status` is None for a code that occurs only in `errors` or `reasons`.
    """

    code: str
    title: str
    status: int | None
    detail: str
    what_to_do: str
    places: tuple[CodePlace, ...]

    @property
    def type(self) -> str:
        """The `type` of problem documents with this code, such as `/problems/slot-taken`."""
        return f"/problems/{self.code.replace('_', '-')}"


class ProblemCatalogue:
    """All codes, in alphabetical order."""

    def __init__(self, entries: Iterable[CodeEntry]) -> None:
        self._entries = {entry.code: entry for entry in sorted(entries, key=lambda entry: entry.code)}

    @classmethod
    def from_json(cls, items: Iterable[dict[str, object]]) -> Self:
        """Return the catalogue that `make docs` wrote."""
        return cls(CodeEntry(**{name: tuple(value) if name == "places" else value for name, value in item.items()}) for item in items)  # type: ignore[arg-type]

    def entries(self) -> list[CodeEntry]:
        """Return all entries."""
        return list(self._entries.values())

    def find(self, name: str) -> CodeEntry | None:
        """Return the entry of a code, written as in `code` (`slot_taken`) or as in `type` (`slot-taken`); None if there is none."""
        return self._entries.get(name.replace("-", "_"))
