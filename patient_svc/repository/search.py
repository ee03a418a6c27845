"""The search for patients in SQL: ranges of SEARCH_KEYS, and the keys of each patient."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.patients import Patient
from patient_svc.domain.search import MAX_MATCHES, KeyTerm, MatchRank, PatientMatch, PatientQuery, SearchResult
from patient_svc.domain.search_keys import SEARCH_VERSION, KeyRange
from patient_svc.repository.patients import patient_from_row
from patient_svc.repository.search_keys import save_search_keys
from patient_svc.repository.tables import PATIENTS, SEARCH_KEYS, VISITS
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database


class SearchReads:
    """The part of SqlPatientStore that searches."""

    __slots__ = ()
    database: Database

    async def find_matches(self, query: PatientQuery, account_ids: Collection[UUID]) -> SearchResult:
        """Look up identifiers and addresses, then all words exactly, then with an incomplete last one. A better rank counts."""
        async with self.database.read() as connection:
            accounts = list(await connection.scalars(select(PATIENTS.c.id).where(PATIENTS.c.id.in_(account_ids)))) if account_ids else []
            identified = await _find_ids(connection, (query.identifying_keys,) if query.identifying_keys else ())
            exact = await _find_ids(connection, query.exact_terms)
            partial = await _find_ids(connection, query.partial_terms) if query.partial_terms != query.exact_terms else []
            ranks = dict.fromkeys(partial, MatchRank.PARTIAL) | dict.fromkeys(exact, MatchRank.EXACT)
            ranks |= dict.fromkeys([*accounts, *identified], MatchRank.IDENTIFIED)
            latest = await _latest_visits(connection, ranks)
            is_indexed = not await connection.scalar(select(exists().where(PATIENTS.c.search_version < SEARCH_VERSION)))
        is_complete = is_indexed and all(len(ids) < MAX_MATCHES for ids in (identified, exact, partial))
        matches = (PatientMatch(patient_id, rank, latest.get(patient_id)) for patient_id, rank in ranks.items())
        return SearchResult(tuple(matches), is_complete)


class SearchWrites(SqlTransaction):
    """The part of SqlPatientTransaction that reads the patients of a search, and keeps the index."""

    async def list_patients(self, ids: Sequence[UUID]) -> list[Patient]:
        rows = await self.connection.execute(select(PATIENTS).where(PATIENTS.c.id.in_(ids)))
        patients = {row.id: patient_from_row(row) for row in rows}
        return [patients[patient_id] for patient_id in ids if patient_id in patients]

    async def list_patients_with_keys(self, terms: Collection[KeyTerm], limit: int) -> list[Patient]:
        ids = dict[UUID, None]()
        for term in terms:
            ids |= dict.fromkeys(await self.connection.scalars(ids_with_keys((term,), limit)))
        return await self.list_patients(list(ids))

    async def index_patients(self, limit: int) -> int:
        outdated = select(PATIENTS).where(PATIENTS.c.search_version < SEARCH_VERSION).order_by(PATIENTS.c.search_version, PATIENTS.c.id)
        rows = (await self.connection.execute(outdated.limit(limit).with_for_update())).all()
        for row in rows:
            await save_search_keys(self.connection, patient_from_row(row))
        ids = [row.id for row in rows]
        await self.connection.execute(update(PATIENTS).where(PATIENTS.c.id.in_(ids)).values(search_version=SEARCH_VERSION))
        return len(rows)


def ids_with_keys(terms: Sequence[KeyTerm], limit: int) -> Select[Any]:
    """Return the query of the ids of patients who have a key of each term, the newest patients of a key first.

    The order is that of the primary key from its end, so that the rows after the limit are never read. An id comes more than once if
    several keys of the first term are the patient's.
    """
    keys = SEARCH_KEYS
    query = select(keys.c.patient_id).where(_is_in_ranges(keys, terms[0]))
    for term in terms[1:]:
        others = SEARCH_KEYS.alias()
        query = query.where(exists().where(others.c.patient_id == keys.c.patient_id, _is_in_ranges(others, term)))
    return query.order_by(keys.c.kind.desc(), keys.c.key.desc(), keys.c.patient_id.desc()).limit(limit)


async def _find_ids(connection: AsyncConnection, terms: Sequence[KeyTerm]) -> list[UUID]:
    return list(await connection.scalars(ids_with_keys(terms, MAX_MATCHES))) if terms else []


def _is_in_ranges(keys: FromClause, ranges: Iterable[KeyRange]) -> ColumnElement[bool]:
    def is_in(key_range: KeyRange) -> ColumnElement[bool]:
        is_equal = key_range.first == key_range.last
        bounds = keys.c.key == key_range.first if is_equal else keys.c.key.between(key_range.first, key_range.last)
        return and_(keys.c.kind == key_range.kind, bounds)

    return or_(*map(is_in, ranges))


async def _latest_visits(connection: AsyncConnection, patient_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Return the start of the latest visit of each patient who has one."""
    query = select(VISITS.c.patient_id, func.max(VISITS.c.starts_at).label("starts_at"))
    query = query.where(VISITS.c.patient_id.in_(patient_ids), VISITS.c.starts_at.is_not(None)).group_by(VISITS.c.patient_id)
    rows = (await connection.execute(query)).all() if patient_ids else []
    return {row.patient_id: row.starts_at for row in rows}
