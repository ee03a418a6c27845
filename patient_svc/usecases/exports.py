"""The export: all that the clinic has of a patient, read page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patient_svc.domain.access import AccessAction, LoggedAccess
from patient_svc.domain.exports import EntryWithVersions, Exported, PatientExport
from patient_svc.domain.guardians import Guardian
from patient_svc.domain.patients import Patient
from patient_svc.domain.records import EntryFilter, MedicalEntry
from patient_svc.domain.visits import HistoryVisit, VisitFilter
from patient_svc.ports import AppointmentDirectory, PatientStore, RecordTransaction, SortKey
from patient_svc.ports.exports import ExportSources
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.access_log import AccessLog
from patient_svc.usecases.dependants import Dependants
from shared.contracts.booking_history import MAX_SNAPSHOTS
from shared.contracts.clinic import CurrentClinic
from shared.contracts.identity import Caller
from shared.contracts.pages import Page
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

PAGE_SIZE = 100
VERSIONS_AT_ONCE = 200
FetchPage = Callable[[UUID, str | None], Awaitable[Page[Exported]]]


@dataclass(frozen=True, slots=True)
class PatientExports:
    """Opens exports. The first page of each list of another service is fetched before anything is sent."""

    store: PatientStore
    access: AccessControl
    dependants: Dependants
    log: AccessLog
    directory: AppointmentDirectory
    sources: ExportSources
    now: Clock
    clinic: CurrentClinic

    async def open(self, caller: Caller) -> PatientExport:
        """Return the export of the patient who calls, and record it.

        Raises NoSuchPatient, or Unavailable when a service does not answer.
        """
        patient_id, missing = caller.id, list[str]()
        account = await self.sources.read_account(patient_id)
        appointments = await self.sources.list_appointments(patient_id, None)
        messages = await self.sources.list_messages(patient_id, None)
        patient = await self._read_profile(caller)
        return PatientExport(
            generated_at=self.now(),
            patient=patient.in_clinic(self.clinic()),
            dependants=await self.dependants.list_for_guardian(caller, PAGE_SIZE, None),
            guardians=await self._list_guardians(patient_id),
            account=account,
            medical_history=self._medical_history(patient_id, missing),
            visits=self._visits(patient_id, missing),
            appointments=self._remaining_items("appointments", appointments, patient_id, self.sources.list_appointments, missing),
            messages=self._remaining_items("messages", messages, patient_id, self.sources.list_messages, missing),
            accesses=self._accesses(patient_id),
            missing=missing,
        )

    @retry_on_abort
    async def _read_profile(self, caller: Caller) -> Patient:
        async with self.access.begin(caller, caller.id, AccessAction.PATIENT_EXPORTED) as permitted:
            return await permitted.tx.get_patient(caller.id)

    @retry_on_abort
    async def _list_guardians(self, patient_id: UUID) -> list[Guardian]:
        return await self.store.list_guardians(patient_id, adults_born_until=self.access.policy.adults_born_until(self.now()))

    async def _medical_history(self, patient_id: UUID, missing: list[str]) -> AsyncIterator[EntryWithVersions]:
        """Yield the entries. Where the patient is erased meanwhile, they end, and the list is added to `missing`."""
        after: SortKey = None
        while entries := await self._list_entries(patient_id, after, missing):
            for entry in entries:
                yield entry
            after = (entries[-1].current.created_at.isoformat(), str(entries[-1].current.id))

    @retry_on_abort
    async def _list_entries(self, patient_id: UUID, after: SortKey, missing: list[str]) -> list[EntryWithVersions]:
        async with self.access.store.begin() as tx:
            try:
                await tx.get_patient(patient_id)
            except NoSuchPatient:
                _record_missing("medical_history", missing)
                return []
            entries = await tx.list_entries(patient_id, EntryFilter(), limit=PAGE_SIZE, after=after)
            return [EntryWithVersions(entry, await _list_versions(tx, patient_id, entry.id)) for entry in entries]

    async def _visits(self, patient_id: UUID, missing: list[str]) -> AsyncIterator[HistoryVisit]:
        """Yield the visits with the names that their appointments show; without names once appointment-service does not answer."""
        after: SortKey = None
        while visits := await self._list_visits(patient_id, after):
            for visit in await self._with_names(visits, missing):
                yield visit
            starts_at, visit_id = visits[-1].sort_key
            after = (starts_at.isoformat(), str(visit_id))

    @retry_on_abort
    async def _list_visits(self, patient_id: UUID, after: SortKey) -> list[HistoryVisit]:
        async with self.store.begin() as tx:
            return await tx.list_visits(patient_id, VisitFilter(), limit=MAX_SNAPSHOTS, after=after)

    async def _with_names(self, visits: Sequence[HistoryVisit], missing: list[str]) -> Sequence[HistoryVisit]:
        try:
            snapshots = await self.directory.list_snapshots([visit.appointment_id for visit in visits])
        except Unavailable:
            _record_missing("names_of_visits", missing)
            return visits
        by_id = {snapshot.appointment_id: snapshot for snapshot in snapshots}
        return [visit.with_names(by_id[visit.appointment_id]) if visit.appointment_id in by_id else visit for visit in visits]

    async def _accesses(self, patient_id: UUID) -> AsyncIterator[LoggedAccess]:
        after: SortKey = None
        while lines := (await self.log.list_for_patient(patient_id, PAGE_SIZE, after))[:PAGE_SIZE]:
            for line in lines:
                yield line
            after = (lines[-1].at.isoformat(), str(lines[-1].id))

    async def _remaining_items(
        self, name: str, first: Page[Exported], patient_id: UUID, fetch: FetchPage, missing: list[str]
    ) -> AsyncIterator[Exported]:
        """Yield the items of all pages of another service. When it stops answering, the list ends and its name is added to `missing`."""
        page: Page[Any] = first
        while True:
            for item in page.items:
                yield item
            if page.next is None:
                return
            try:
                page = await fetch(patient_id, page.next)
            except Unavailable:
                _record_missing(name, missing)
                return


async def _list_versions(tx: RecordTransaction, patient_id: UUID, entry_id: UUID) -> list[MedicalEntry]:
    """Return all versions of an entry, the newest first, read in pages."""
    versions: list[MedicalEntry] = []
    after: SortKey = None
    while page := await tx.list_entry_versions(patient_id, entry_id, limit=VERSIONS_AT_ONCE, after=after):
        versions += page
        after = (str(page[-1].version),)
    return versions


def _record_missing(name: str, missing: list[str]) -> None:
    if name not in missing:
        missing.append(name)
        log_event("export_incomplete", part=name)
