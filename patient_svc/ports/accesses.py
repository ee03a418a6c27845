"""The log of who read or changed what of a patient, as the use cases need it, and the names that it shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.access import Access, LoggedAccess


class AccessTransaction(Protocol):
    """The part of a transaction that writes the log."""

    async def record_access(self, access: Access) -> None:
        """Write a line of a patient's access log, and publish it for the audit trail once the transaction has committed."""

    async def record_accesses(self, accesses: Sequence[Access]) -> None:
        """Write the lines of several patients, such as those on a page of a list, with one statement; publish them as `record_access` does.

        Nothing happens without lines.
        """


class AccessStore(Protocol):
    """The part of the database that reads the log, and deletes old lines."""

    async def list_accesses(self, patient_id: UUID, *, limit: int, after: tuple[str, ...] | None) -> list[LoggedAccess]:
        """Return up to `limit` lines of a patient, newest first, after the one whose instant and id are `after`.

        Those of patients who were merged into this one are among them. Raises BadCursor.
        """

    async def delete_accesses(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` lines that are older than `before`, the oldest first; return how many."""


class DoctorNameClient(Protocol):
    """doctor-service, which owns the doctors' names."""

    async def find_names(self, doctor_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Return the names of the doctors that exist among up to 100 ids; without an answer from doctor-service, none."""
