"""Dependants: patients without an account of their own, for whom guardians act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.contracts.refusals import Conflict, Invalid, facts

MAX_DEPENDANTS = 20
"""The largest number of dependants of one guardian."""
MAX_GUARDIANS = 2
"""The largest number of guardians of one dependant."""


class TooManyDependants(Conflict):
    """Raised when a guardian has as many dependants as one account may have. The fact `limit` is that number."""

    code = "too_many_dependants"
    detail = "One account cannot act for more dependants."
    remedy = "End the guardianship for a dependant with `DELETE /patients/me/dependants/{id}` first."
    example_facts = facts(limit=MAX_DEPENDANTS)


class TooManyGuardians(Conflict):
    """Raised when a dependant has as many guardians as one may have. The fact `limit` is that number."""

    code = "too_many_guardians"
    detail = "This patient has as many guardians as one may have."
    remedy = "End another guardianship with `DELETE /patients/{id}/guardians/{guardian_id}` first."
    example_facts = facts(limit=MAX_GUARDIANS)


class HasAccount(Conflict):
    """Raised when a patient with an account, who is not known to be a minor, would become a dependant."""

    code = "has_account"
    detail = "This patient has an account, and acts for themselves."
    remedy = "Choose a patient without an account, or a minor: only they can be the dependant of somebody."


class BirthDateOfDependant(Conflict):
    """Raised when a patient who has guardians changes the own date of birth, on which the rights of the guardians depend."""

    code = "birth_date_of_dependant"
    detail = "You have guardians. Only the clinic changes your date of birth."
    remedy = "Leave out `born_on`, and ask the clinic to correct the date."
    example_pointers = ("/born_on",)


class NoSuchGuardian(Invalid):
    """Raised when the person who would become a guardian is not a patient with an active account, or is the dependant."""

    code = "no_such_guardian"
    detail = "A guardian must be another patient with an active account."
    remedy = "Send the id of a patient who can sign in; a person without an account registers first."
    example_pointers = ("/guardian_id",)


@dataclass(frozen=True, slots=True)
class Dependant:
    """A patient for whom a guardian acts, as the guardian sees them. `relationship` is what the dependant is to the guardian.

    `born_on` may be None for a patient whom the clinic has made a dependant.
    """

    id: UUID
    full_name: str
    born_on: date | None
    relationship: str | None


@dataclass(frozen=True, slots=True)
class Guardian:
    """A person who acts for a dependant, as the clinic sees them. `relationship` is what the dependant is to the guardian."""

    id: UUID
    full_name: str
    relationship: str | None


def refuse_too_many_dependants(count: int) -> None:
    """Raise TooManyDependants when a guardian who has `count` dependants may not have another."""
    if count >= MAX_DEPENDANTS:
        raise TooManyDependants(limit=MAX_DEPENDANTS)


def refuse_too_many_guardians(count: int) -> None:
    """Raise TooManyGuardians when a dependant who has `count` guardians may not have another."""
    if count >= MAX_GUARDIANS:
        raise TooManyGuardians(limit=MAX_GUARDIANS)
