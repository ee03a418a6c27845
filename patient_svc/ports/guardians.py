"""Guardians and dependants in the database of patient-service.

A guardianship is in force unless the dependant is an adult, born on `adults_born_until` or before, and has an account.
"""

from __future__ import annotations

from datetime import date
from typing import Protocol
from uuid import UUID

from patient_svc.domain.guardians import Dependant, Guardian

SortKey = tuple[str, ...] | None
"""The sort key of the last row of the previous page, as in the cursor; None for the first page."""


class GuardianTransaction(Protocol):
    """The part of a transaction that changes guardianships."""

    async def count_dependants(self, guardian_id: UUID) -> int:
        """Return how many dependants a guardian has. Lock the guardian before, so that the number cannot grow meanwhile."""

    async def list_guardians(self, dependant_id: UUID) -> list[Guardian]:
        """Return the guardians of a patient, by id. Lock the patient before, so that no other can be added meanwhile."""

    async def get_dependant(self, guardian_id: UUID, dependant_id: UUID) -> Dependant:
        """Return a dependant of a guardian, whether the guardianship is in force or not. Raises NoSuchPatient."""

    async def list_dependants(self, guardian_id: UUID, *, adults_born_until: date, limit: int, after: SortKey) -> list[Dependant]:
        """Return up to `limit` dependants of a guardian, by id, after the one whose sort key is `after`."""

    async def insert_guardianship(self, guardian_id: UUID, dependant_id: UUID, relationship: str | None) -> None:
        """Record that a patient acts for a dependant."""

    async def update_guardianship(self, guardian_id: UUID, dependant_id: UUID, relationship: str | None) -> None:
        """Replace what the dependant is to the guardian."""

    async def delete_guardianship(self, guardian_id: UUID, dependant_id: UUID) -> bool:
        """Record that a patient no longer acts for a dependant; return False if they did not."""


class GuardianStore(Protocol):
    """The part of the database that reads guardianships."""

    async def list_dependants(self, guardian_id: UUID, *, adults_born_until: date, limit: int, after: SortKey) -> list[Dependant]:
        """Return up to `limit` dependants of a guardian, by id, after the one whose sort key is `after`."""

    async def list_guardians(self, dependant_id: UUID) -> list[Guardian]:
        """Return the guardians of a patient, by id, also those whose guardianship is not in force."""
