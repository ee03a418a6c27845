"""The search for patients in SQL: ranges of SEARCH_KEYS, and the keys of each patient."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.patients import Patient
from patient_svc.domain.search import MAX_MATCHES, MatchRank, PatientMatch, PatientQuery, SearchResult
from patient_svc.domain.search_keys import SEARCH_VERSION
from patient_svc.domain.search_ranges import KeyTerm, KeyTerms
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
            identified, has_all_identified = await find_ids(connection, query.identifying_lookups, MAX_MATCHES)
            exact, has_all_exact = await find_ids(connection, query.exact_lookups, MAX_MATCHES)
            partial, has_all_partial = await find_ids(connection, query.partial_lookups, MAX_MATCHES)
            ranks = dict.fromkeys(partial, MatchRank.PARTIAL) | dict.fromkeys(exact, MatchRank.EXACT)
            ranks |= dict.fromkeys([*accounts, *identified], MatchRank.IDENTIFIED)
            latest = await _latest_visits(connection, ranks)
            is_complete = has_all_identified and has_all_exact and has_all_partial and await _is_indexed(connection)
        matches = (PatientMatch(patient_id, rank, latest.get(patient_id)) for patient_id, rank in ranks.items())
        return SearchResult(tuple(matches), is_complete)


class SearchWrites(SqlTransaction):
    """The part of SqlPatientTransaction that reads the patients of a search, and keeps the index."""

    async def list_patients(self, ids: Sequence[UUID]) -> list[Patient]:
        rows = await self.connection.execute(select(PATIENTS).where(PATIENTS.c.id.in_(ids)))
        patients = {row.id: patient_from_row(row) for row in rows}
        return [patients[patient_id] for patient_id in ids if patient_id in patients]

    async def list_candidates(self, lookups: Collection[KeyTerms], ids: Collection[UUID], limit: int) -> tuple[list[Patient], bool]:
        candidate_ids, has_all = await find_ids(self.connection, lookups, limit)
        patients = await self.list_patients(list(dict.fromkeys([*ids, *candidate_ids])))
        return patients, has_all and await _is_indexed(self.connection)

    async def index_patients(self, limit: int) -> int:
        outdated = select(PATIENTS).where(PATIENTS.c.search_version < SEARCH_VERSION).order_by(PATIENTS.c.search_version, PATIENTS.c.id)
        rows = (await self.connection.execute(outdated.limit(limit).with_for_update())).all()
        for row in rows:
            await save_search_keys(self.connection, patient_from_row(row))
        ids = [row.id for row in rows]
        await self.connection.execute(update(PATIENTS).where(PATIENTS.c.id.in_(ids)).values(search_version=SEARCH_VERSION))
        return len(rows)


async def find_ids(connection: AsyncConnection, lookups: Collection[KeyTerms], limit: int) -> tuple[list[UUID], bool]:
    """Return the ids of patients whom one of the lookups finds, and whether these are all. An id may come more than once.

    At most `limit` ids of each query are read.
    """
    ids, has_all = list[UUID](), True
    for terms in lookups:
        for query in lookup_queries(terms, limit):
            matching_ids = list(await connection.scalars(query))
            ids, has_all = ids + matching_ids, has_all and len(matching_ids) < limit
    return ids, has_all


def lookup_queries(terms: KeyTerms, limit: int) -> Iterator[Select[Any]]:
    """Yield the queries that together find the patients who have all terms: one for the single keys of the first term, one for each range.

    A query reads the primary key from its end, so that the newest patients come first and nothing is read after `limit` rows.
    """
    first, *others = terms
    keys = SEARCH_KEYS
    for group in _groups(first):
        query = select(keys.c.patient_id).where(_is_in(keys, group), *(_has_term(keys, term) for term in others))
        # MariaDB sorts the rows if a column that is constant stands in ORDER BY.
        order = (keys.c.patient_id,) if group[0].is_single and len(group) == 1 else (keys.c.key, keys.c.patient_id)
        yield query.order_by(*(column.desc() for column in order)).limit(limit)


async def _is_indexed(connection: AsyncConnection) -> bool:
    """Return whether the keys of all patients were made by the rules of today."""
    return not await connection.scalar(select(exists().where(PATIENTS.c.search_version < SEARCH_VERSION)))


def _groups(term: KeyTerm) -> Iterator[KeyTerm]:
    """Yield the parts of a term that one query can read in the order of the index: the single keys together, and each range."""
    if single := tuple(key_range for key_range in term if key_range.is_single):
        yield single
    yield from ((key_range,) for key_range in term if not key_range.is_single)


def _is_in(keys: FromClause, group: KeyTerm) -> ColumnElement[bool]:
    first = group[0]
    is_between = keys.c.key.between(first.first, first.last)
    return and_(keys.c.kind == first.kind, keys.c.key.in_([key.first for key in group]) if first.is_single else is_between)


def _has_term(keys: FromClause, term: KeyTerm) -> ColumnElement[bool]:
    """Return the condition that a patient has a term. As EXISTS, MariaDB may read all patients who have the term first, and sort them."""
    others = SEARCH_KEYS.alias()
    has_key = or_(*(_is_in(others, group) for group in _groups(term)))
    query = select(literal(1)).where(others.c.patient_id == keys.c.patient_id, has_key).limit(1)
    return query.correlate(keys).scalar_subquery().is_not(None)


async def _latest_visits(connection: AsyncConnection, patient_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Return the start of the latest visit of each patient who has one: one row of an index, however many visits they have."""
    latest = select(VISITS.c.starts_at).where(VISITS.c.patient_id == PATIENTS.c.id).order_by(VISITS.c.starts_at.desc()).limit(1)
    query = select(PATIENTS.c.id, latest.scalar_subquery().label("starts_at")).where(PATIENTS.c.id.in_(patient_ids))
    rows = (await connection.execute(query)).all() if patient_ids else []
    return {row.id: row.starts_at for row in rows if row.starts_at is not None}
