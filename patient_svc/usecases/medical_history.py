"""Reading, adding, correcting and retracting entries of medical histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from patient_svc.domain.access import AccessAction
from patient_svc.domain.patients import Patient
from patient_svc.domain.records import EntryFilter, MedicalEntry, MedicalEntryKind, NoSuchEntry, ReportedBy
from patient_svc.domain.summaries import (
    ACTIVE_OF_KINDS,
    ALL_ALLERGIES,
    LATEST_OF_KINDS,
    MAX_RECENT_ENTRIES,
    MedicalSummary,
    medical_summary,
)
from patient_svc.ports import SortKey
from patient_svc.ports.records import RecordTransaction
from patient_svc.usecases.access_control import AccessControl
from shared.contracts.clinic import CurrentClinic
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class AddedEntry:
    """The first version of an entry, and whether an earlier request with the same id has added it."""

    entry: MedicalEntry
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class MedicalHistory:
    """The use cases of medical histories.

    Every method decides who may, reads or writes, and records it in one transaction. All raise NoSuchPatient for callers who may know
    nothing of the patient, NotForReception, BreakGlassRequired for admins, and Unavailable. A request that changes nothing, such as a
    repeated one, is recorded as a read. `clinic` has the time zone of patients who gave none.
    """

    access: AccessControl
    now: Clock
    clinic: CurrentClinic
    max_entries: int

    @retry_on_abort
    async def list_entries(self, caller: Caller, patient_id: UUID, wanted: EntryFilter, limit: int, after: SortKey) -> list[MedicalEntry]:
        """Return up to `limit` + 1 entries, the latest first."""
        async with self.access.begin(caller, patient_id, AccessAction.HISTORY_READ) as permitted:
            return await permitted.tx.list_entries(patient_id, wanted, limit=limit + 1, after=after)

    @retry_on_abort
    async def get(self, caller: Caller, patient_id: UUID, entry_id: UUID) -> MedicalEntry:
        """Return an entry. Raises NoSuchEntry."""
        async with self.access.begin(caller, patient_id, AccessAction.HISTORY_READ, row_id=entry_id) as permitted:
            return await _get_entry(permitted.tx, patient_id, entry_id)

    @retry_on_abort
    async def list_versions(self, caller: Caller, patient_id: UUID, entry_id: UUID, limit: int, after: SortKey) -> list[MedicalEntry]:
        """Return up to `limit` + 1 versions of an entry, the newest first. Raises NoSuchEntry."""
        async with self.access.begin(caller, patient_id, AccessAction.HISTORY_READ, row_id=entry_id) as permitted:
            await _get_entry(permitted.tx, patient_id, entry_id)
            return await permitted.tx.list_entry_versions(patient_id, entry_id, limit=limit + 1, after=after)

    @retry_on_abort
    async def summarize(self, caller: Caller, patient_id: UUID) -> MedicalSummary:
        """Return what matters of the history now, allergies first."""
        async with self.access.begin(caller, patient_id, AccessAction.SUMMARY_READ) as permitted:
            allergies = await _list_all(permitted.tx, patient_id, ALL_ALLERGIES)
            limits = dict.fromkeys(LATEST_OF_KINDS, MAX_RECENT_ENTRIES) | dict.fromkeys(ACTIVE_OF_KINDS, self.max_entries + 1)
            entries = {
                kind: await permitted.tx.list_entries(patient_id, wanted, limit=limits[kind], after=None)
                for kind, wanted in (LATEST_OF_KINDS | ACTIVE_OF_KINDS).items()
            }
        return medical_summary(patient_id, allergies, entries, self.max_entries)

    @retry_on_abort
    async def add(self, caller: Caller, patient_id: UUID, entry_id: UUID, kind: MedicalEntryKind, content: Mapping[str, Any]) -> AddedEntry:
        """Add an entry, or return the first version of the one that has this id already.

        Raises TooManyEntries, TooManyStoredEntries, and the refusals of `MedicalEntry.check`.
        """
        async with self.access.begin(caller, patient_id, AccessAction.HISTORY_ADDED, row_id=entry_id) as permitted:
            patient, now = await permitted.tx.get_patient(patient_id), self.now()
            if first_version := await permitted.tx.find_entry(patient_id, entry_id, version=1):
                permitted.recorded_as = AccessAction.HISTORY_READ
                return AddedEntry(first_version, is_repeated=True)
            entry = MedicalEntry(
                id=entry_id,
                patient_id=patient_id,
                kind=kind,
                author_id=caller.id,
                reported_by=ReportedBy.of(permitted.relation),
                created_at=now,
                recorded_at=now,
                **content,
            ).with_default_status()
            entry.check(self._today(patient, now), patient.born_on)
            (await permitted.tx.count_entries(patient_id, kind)).refuse_another(self.max_entries)
            await permitted.tx.insert_entry(entry)
        return AddedEntry(entry, is_repeated=False)

    @retry_on_abort
    async def correct(
        self, caller: Caller, patient_id: UUID, entry_id: UUID, changes: Mapping[str, Any], expected_version: int | None
    ) -> MedicalEntry:
        """Replace some fields of an entry in a new version, unless nothing changes.

        Raises NoSuchEntry, Stale, ReportedByPractitioner, EntryRetracted, TooManyVersions, and the refusals of `MedicalEntry.check`.
        """
        async with self.access.begin(caller, patient_id, AccessAction.HISTORY_CORRECTED, row_id=entry_id) as permitted:
            patient, now = await permitted.tx.get_patient(patient_id), self.now()
            entry = (await _get_entry(permitted.tx, patient_id, entry_id)).require_version(expected_version)
            corrected = entry.correct(changes, caller, permitted.relation, now).check(self._today(patient, now), patient.born_on)
            if corrected != entry:
                await permitted.tx.insert_entry_version(corrected)
            else:
                permitted.recorded_as = AccessAction.HISTORY_READ
        return corrected

    @retry_on_abort
    async def retract(
        self, caller: Caller, patient_id: UUID, entry_id: UUID, reason: str | None, expected_version: int | None
    ) -> MedicalEntry:
        """Mark an entry as made in error, in a new version. One that was retracted before stays as it is.

        Raises NoSuchEntry, Stale or ReportedByPractitioner.
        """
        async with self.access.begin(caller, patient_id, AccessAction.HISTORY_RETRACTED, row_id=entry_id) as permitted:
            await permitted.tx.get_patient(patient_id)
            entry = await _get_entry(permitted.tx, patient_id, entry_id)
            retracted = entry.retract(reason, caller, permitted.relation, self.now())
            if retracted != entry:
                entry.require_version(expected_version)
                await permitted.tx.insert_entry_version(retracted)
            else:
                permitted.recorded_as = AccessAction.HISTORY_READ
        return retracted

    def _today(self, patient: Patient, now: datetime) -> date:
        return now.astimezone(ZoneInfo(patient.time_zone or self.clinic().time_zone)).date()


async def _list_all(tx: RecordTransaction, patient_id: UUID, wanted: EntryFilter) -> list[MedicalEntry]:
    """Return all these entries, the latest first, page by page. A merged history can have more than a history may have."""
    entries, after = list[MedicalEntry](), None
    while page := await tx.list_entries(patient_id, wanted, limit=PAGE_SIZE, after=after):
        entries += page
        after = (page[-1].created_at.isoformat(), str(page[-1].id))
    return entries


async def _get_entry(tx: RecordTransaction, patient_id: UUID, entry_id: UUID) -> MedicalEntry:
    entry = await tx.find_entry(patient_id, entry_id)
    if entry is None:
        raise NoSuchEntry
    return entry
