"""What merging patients needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.merges import LiveVisit, Merge
from patient_svc.ports.records import RecordTransaction


class MergeTransaction(RecordTransaction, Protocol):
    """A transaction that merges patients. Lock both of them before everything else."""

    async def find_merge(self, patient_id: UUID) -> Merge | None:
        """Return what the merge of a patient did, or None for one who was not merged."""

    async def insert_merge(self, merge: Merge) -> None:
        """Record a merge. Patients who were merged into the source before point to its target from now on."""

    async def list_former_ids(self, patient_ids: Collection[UUID]) -> Mapping[UUID, UUID]:
        """Return the ids of patients who were merged into one of these, each with the one who has their data."""

    async def count_visits(self, patient_id: UUID) -> int:
        """Return how many visits of a patient are known."""

    async def count_all_entries(self, patient_id: UUID) -> int:
        """Return how many entries the medical history of a patient has, with the retracted ones."""

    async def list_all_dependants(self, guardian_id: UUID) -> list[UUID]:
        """Return the dependants of a patient, by id, also those for whom the guardianship is not in force."""

    async def move_visits(self, source_id: UUID, target_id: UUID) -> None:
        """Make the visits of a patient those of another one. Visits that are stored later with the old id are moved as well."""

    async def move_guardianships(self, source_id: UUID, target_id: UUID) -> None:
        """Make the guardians and the dependants of a patient those of another one. Where both have the same, that of the target stays."""

    async def move_records(self, source_id: UUID, target_id: UUID, now: datetime) -> None:
        """Encrypt the medical history of a patient for another one, and destroy the key of the first.

        Accesses by break-glass are moved too, and end at `now`. Raises RecordsUnreadable.
        """


class MergeStore(Protocol):
    """The database of patient-service, as merges need it."""

    def begin(self) -> AbstractAsyncContextManager[MergeTransaction]:
        """Open a transaction."""


class LiveVisits(Protocol):
    """The visits of patients that are not over, from appointment-service, which has also those of which no event has arrived yet."""

    async def list_live(self, patient_ids: Collection[UUID], since: datetime) -> list[LiveVisit]:
        """Return the visits of these patients that start after `since` and are not over. Raises Unavailable."""


class CalendarMerges(Protocol):
    """The calendar of scheduling-service, which decides whether a patient is busy."""

    async def follow_merge(self, patient_id: UUID, into: UUID) -> None:
        """Make the time that the patient's visits take that of the patient `into`. It may be repeated. Raises Unavailable."""
