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
    """A patient for whom the caller acts. `relationship` is what they are to the caller."""

    id: UUID
    full_name: str
    born_on: date
    relationship: str | None = Field(examples=["daughter"])
