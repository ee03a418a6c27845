"""The bodies of dependants."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import Field

from patient_svc.domain.guardians import Dependant
from patient_svc.schemas.profiles import BornOn
from shared.contracts.texts import OneLineText
from shared.contracts.values import ReadModel, RequestModel


class CreateDependant(RequestModel):
    """A new patient without an account, for whom the caller acts. `relationship` is what they are to the caller."""

    full_name: OneLineText
    born_on: BornOn
    relationship: OneLineText | None = Field(default=None, examples=["daughter"])

    def to_dependant(self, dependant_id: UUID) -> Dependant:
        """Return the dependant that the request describes."""
        return Dependant(dependant_id, self.full_name, self.born_on, self.relationship)


class DependantOut(ReadModel):
    """A patient for whom the caller acts. `relationship` is what they are to the caller.

    `born_on` is null where the clinic has made a patient a dependant without knowing it.
    """

    id: UUID
    full_name: str
    born_on: date | None
    relationship: str | None = Field(examples=["daughter"])


class AddGuardian(RequestModel):
    """The patient with an account who will act for the patient in the path. `relationship` is what the dependant is to them."""

    guardian_id: UUID
    relationship: OneLineText | None = Field(default=None, examples=["father"])


class GuardianOut(ReadModel):
    """A patient who acts for another one. `relationship` is what the dependant is to them."""

    id: UUID
    full_name: str
    relationship: str | None = Field(examples=["father"])
