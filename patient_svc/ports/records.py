"""What the use cases of medical histories need from outside."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.break_glass import BreakGlass
from patient_svc.domain.records import EntryCounts, EntryFilter, MedicalEntry, MedicalEntryKind
from patient_svc.domain.relations import Relations
from patient_svc.ports.patients import PatientTransaction, SortKey
from shared.contracts.identity import Caller
from shared.contracts.refusals import Unavailable


class RecordsUnreadable(Unavailable):
    """Raised when a stored text of a medical history cannot be decrypted. It is logged with the ids of the row, and never shown."""

    code = "records_unreadable"
    detail = "This medical history cannot be read at the moment."
    remedy = "Tell the people who run the clinic's servers: the event `record_unreadable` in the log of patient-service says more."


class RecordTransaction(PatientTransaction, Protocol):
    """A transaction with medical histories. All texts are stored encrypted. Its reads raise RecordsUnreadable."""

    async def find_entry(self, patient_id: UUID, entry_id: UUID, version: int | None = None) -> MedicalEntry | None:
        """Return the current version of an entry of the patient, or the version with this number, or None."""

    async def list_entries(self, patient_id: UUID, wanted: EntryFilter, *, limit: int, after: SortKey) -> list[MedicalEntry]:
        """Return up to `limit` entries, the latest first, after the one whose sort key (creation, id) is `after`."""

    async def list_entry_versions(self, patient_id: UUID, entry_id: UUID, *, limit: int, after: SortKey) -> list[MedicalEntry]:
        """Return up to `limit` versions of an entry, the newest first, after the version `after`."""

    async def count_entries(self, patient_id: UUID, kind: MedicalEntryKind) -> EntryCounts:
        """Return how many entries of a kind there are. Lock the patient before, so that the number cannot grow meanwhile."""

    async def insert_entry(self, entry: MedicalEntry) -> None:
        """Insert a new entry. Lock the patient before, so that the patient's key is created once."""

    async def insert_entry_version(self, entry: MedicalEntry) -> None:
        """Insert a new version of an entry, which is the current one from now on. Lock the patient before."""

    async def find_break_glass(self, break_glass_id: UUID) -> BreakGlass | None:
        """Return an access that an admin opened, or None."""

    async def list_break_glass(self, patient_id: UUID, *, limit: int, after: SortKey) -> list[BreakGlass]:
        """Return up to `limit` accesses that admins opened to a patient, the latest first, after the one whose sort key is `after`."""

    async def insert_break_glass(self, opened: BreakGlass) -> None:
        """Insert an access that an admin opened. Lock the patient before, so that the patient's key is created once."""


class RecordStore(Protocol):
    """The database of patient-service, with medical histories."""

    def begin(self) -> AbstractAsyncContextManager[RecordTransaction]:
        """Open a transaction."""

    async def get_relations(self, caller: Caller, patient_id: UUID, treated_since: datetime) -> Relations:
        """Return what connects the caller with the patient. A visit that ended before `treated_since` is no treatment any more."""


class Treatments(Protocol):
    """The appointments of appointment-service, for treatments of which no event has arrived yet."""

    async def is_treating(self, doctor_id: UUID, patient_id: UUID, treated_since: datetime) -> bool:
        """Return whether an appointment that begins at `treated_since` or later makes the doctor treat the patient. Raises Unavailable."""
