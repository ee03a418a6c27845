"""The audit trail in SQL. It is append-only: nothing here changes or deletes a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, insert, select, union_all

from admin_svc.domain.audit import AuditFilter, AuditLine
from admin_svc.repository.tables import AUDIT_LINES
from shared.contracts.identity import Role, Service
from shared.kit.cursors import parse_instant_and_id
from shared.kit.keyset_pagination import rows_after
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database

COLUMNS = AUDIT_LINES.c
INSERT_LINE = insert(AUDIT_LINES)
SORT_COLUMNS = (COLUMNS.at, COLUMNS.id)


class AuditWrites(SqlTransaction):
    """The part of SqlAdminTransaction that appends to the audit trail."""

    async def has_line(self, line_id: UUID) -> bool:
        return await self.connection.scalar(select(COLUMNS.id).where(COLUMNS.id == line_id)) is not None

    async def append_line(self, line: AuditLine) -> None:
        await self.connection.execute(INSERT_LINE, row_from_line(line))


class AuditReads:
    """The part of SqlAdminStore that reads the audit trail."""

    __slots__ = ()
    database: Database

    async def list_lines(self, wanted: AuditFilter, limit: int, after: tuple[str, ...] | None) -> list[AuditLine]:
        async with self.database.read() as connection:
            return [line_from_row(row) for row in await connection.execute(matching_lines(wanted, limit, after))]

    async def list_day_lines(self, day: date, after_position: int, limit: int) -> list[AuditLine]:
        query = select(AUDIT_LINES).where(COLUMNS.day == day, COLUMNS.position > after_position).order_by(COLUMNS.position).limit(limit)
        async with self.database.read() as connection:
            return [line_from_row(row) for row in await connection.execute(query)]


def row_from_line(line: AuditLine) -> dict[str, Any]:
    """Return the row of AUDIT_LINES of a line that has its place in the chain."""
    fields = asdict(line)
    before, after = fields.pop("before"), fields.pop("after")
    return fields | {"state_before": _state_text(before), "state_after": _state_text(after)}


def line_from_row(row: Any) -> AuditLine:
    """Return the line of a row of AUDIT_LINES."""
    fields = dict(row._mapping)
    before, after = fields.pop("state_before"), fields.pop("state_after")
    fields |= {"actor_role": Role(row.actor_role), "source": Service(row.source), "before": _state(before), "after": _state(after)}
    return AuditLine(**fields)


def _state_text(state: Mapping[str, str | None] | None) -> str | None:
    return None if state is None else json.dumps(state, sort_keys=True)


def _state(text: str | None) -> dict[str, str | None] | None:
    return None if text is None else json.loads(text)


def matching_lines(wanted: AuditFilter, limit: int, after: tuple[str, ...] | None) -> Select[Any]:
    """Return the query of a page of the list, newest first. Raise BadCursor.

    Where a person has several ids, the page is the newest of a page of each id, because an index has the lines of one id in this order.
    """
    subject_ids = wanted.subject_ids or (None,)
    pages = [_matching_lines_of(subject_id, wanted, limit, after) for subject_id in subject_ids]
    if len(pages) == 1:
        return pages[0]
    lines = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return select(lines).order_by(lines.c.at.desc(), lines.c.id.desc()).limit(limit)


def _matching_lines_of(subject_id: UUID | None, wanted: AuditFilter, limit: int, after: tuple[str, ...] | None) -> Select[Any]:
    conditions = _conditions(wanted) if subject_id is None else [COLUMNS.subject_id == subject_id, *_conditions(wanted)]
    query = select(AUDIT_LINES).where(*conditions).order_by(*(column.desc() for column in SORT_COLUMNS)).limit(limit)
    query = query.with_hint(AUDIT_LINES, f"FORCE INDEX ({index_for(wanted)})", "mysql")
    if after is not None:
        at, line_id = parse_instant_and_id(after)
        query = query.where(COLUMNS.at <= at, rows_after(SORT_COLUMNS, (at, line_id), descending=True))
    return query


def index_for(wanted: AuditFilter) -> str:
    """Return the index that has the lines in the order of the list. A person's lines are few, so the other filters are applied to them.

    It is named to MariaDB, which merges two indexes or sorts a large part of the table otherwise.
    """
    if wanted.subject_ids is not None:
        return "audit_lines_by_subject"
    if wanted.actor_id is not None:
        return "audit_lines_by_actor" if wanted.action is None else "audit_lines_by_actor_and_action"
    return "audit_lines_by_time" if wanted.action is None else "audit_lines_by_action"


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    equal = {COLUMNS.actor_id: wanted.actor_id, COLUMNS.action: wanted.action}
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        conditions.append(COLUMNS.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(COLUMNS.at < wanted.until)
    return conditions
