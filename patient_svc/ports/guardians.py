"""Guardians and dependants in the database of patient-service.

A guardianship is in force unless the dependant has an account and is not known to be a minor, born after `adults_born_until`. One
that is not in force has ended for good.
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

    async def list_guardians(self, dependant_id: UUID, *, adults_born_until: date) -> list[Guardian]:
        """Return the guardians of a patient whose guardianship is in force, by id.

        Lock the patient before, so that no other can be added meanwhile.
        """

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

    async def list_grown_up_dependants(self, *, adults_born_until: date, limit: int) -> list[UUID]:
        """Return up to `limit` patients who still have a guardianship that is not in force."""

    async def delete_ended_guardianships(self, dependant_id: UUID, *, adults_born_until: date) -> bool:
        """Delete the guardianships of a patient that are not in force, as the patient is stored; return False if there are none.

        Call it before the date of birth changes: by another date they would be in force again.
        """


class GuardianStore(Protocol):
    """The part of the database that reads guardianships."""

    async def list_dependants(self, guardian_id: UUID, *, adults_born_until: date, limit: int, after: SortKey) -> list[Dependant]:
        """Return up to `limit` dependants of a guardian, by id, after the one whose sort key is `after`."""

    async def list_guardians(self, dependant_id: UUID, *, adults_born_until: date) -> list[Guardian]:
        """Return the guardians of a patient whose guardianship is in force, by id."""
