"""Searching patients, and keeping the index of the search."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from patient_svc.domain.access import AccessAction
from patient_svc.domain.patients import Patient
from patient_svc.domain.relations import RELATION_BY_ROLE
from patient_svc.domain.search import PatientQuery, SearchResult
from patient_svc.ports import AccountDirectory, PatientStore
from patient_svc.usecases.accesses import record_listing
from shared.contracts.clinic import CurrentClinic
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.cursors import PageRequest, encode_cursor, parse_sort_key
from shared.kit.retry import retry_on_abort

INDEXED_AT_ONCE, MAX_BATCHES = 100, 50


@dataclass(frozen=True, slots=True)
class FoundPatients:
    """A page of the patients whom a search found. `is_complete` is False if there may be others who match."""

    items: list[Patient]
    next: str | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class PatientSearch:
    """The search of staff for patients. Each patient on a page is an access, which is recorded."""

    store: PatientStore
    accounts: AccountDirectory
    now: Clock
    clinic: CurrentClinic

    async def find(self, text: str, caller: Caller, page: PageRequest) -> FoundPatients:
        """Return a page of the patients who match a text, the most likely first.

        Addresses of accounts are asked of auth-service; without its answer the other words are searched. Raises BadSearch or BadCursor.
        """
        query = PatientQuery.parse(text)
        after = parse_sort_key(page.after, int, int, UUID) if page.after is not None else None
        account_ids = await self.accounts.find_by_email(query.emails) if query.emails else []
        if query.emails and account_ids is not None:
            query = query.only_identifying()
        result = await self._find_matches(query, account_ids or [])
        matches = result.after(after)
        shown = matches[: page.limit]
        cursor = encode_cursor(shown[-1].sort_key) if len(matches) > page.limit else None
        patients = await self._read([match.patient_id for match in shown], caller)
        return FoundPatients(patients, cursor, result.is_complete and account_ids is not None)

    async def index_outdated(self) -> int:
        """Make the keys of patients whose keys are missing or were made by older rules, in short transactions; return how many."""
        count = 0
        for _ in range(MAX_BATCHES):
            indexed = await self._index_some()
            count += indexed
            if indexed < INDEXED_AT_ONCE:
                break
        return count

    @retry_on_abort
    async def _find_matches(self, query: PatientQuery, account_ids: Collection[UUID]) -> SearchResult:
        return await self.store.find_matches(query, account_ids)

    @retry_on_abort
    async def _read(self, patient_ids: list[UUID], caller: Caller) -> list[Patient]:
        """Return what the caller may see of the patients, and record the access."""
        if not patient_ids:
            return []
        async with self.store.begin() as tx:
            patients = await tx.list_patients(patient_ids)
            relation = RELATION_BY_ROLE[caller.role]
            shown = [patient.id for patient in patients]
            await record_listing(tx, caller, shown, AccessAction.PROFILE_READ, relation, now=self.now())
        return [patient.in_clinic(self.clinic()).view_for(caller, False) for patient in patients]

    @retry_on_abort
    async def _index_some(self) -> int:
        async with self.store.begin() as tx:
            return await tx.index_patients(INDEXED_AT_ONCE)
