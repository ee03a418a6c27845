"""Dependants: patients without an account, for whom guardians act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.contracts.refusals import Conflict, facts

MAX_DEPENDANTS = 20
"""The largest number of dependants of one guardian."""


class TooManyDependants(Conflict):
    """Raised when a guardian has as many dependants as one account may have. The fact `limit` is that number."""

    code = "too_many_dependants"
    detail = "One account cannot act for more dependants."
    remedy = "End the guardianship for a dependant with `DELETE /patients/me/dependants/{id}` first."
    example_facts = facts(limit=MAX_DEPENDANTS)


@dataclass(frozen=True, slots=True)
class Dependant:
    """A patient without an account, as a guardian sees them. `relationship` is what the dependant is to the guardian."""

    id: UUID
    full_name: str
    born_on: date
    relationship: str | None


def refuse_too_many_dependants(count: int) -> None:
    """Raise TooManyDependants when a guardian who has `count` dependants may not have another."""
    if count >= MAX_DEPENDANTS:
        raise TooManyDependants(limit=MAX_DEPENDANTS)
