"""Documents in a SQLite table."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update

from appointment_svc.repository.documents import KEYS, Document, Query
from appointment_svc.repository.tables import APPOINTMENTS as TABLE
from shared.kit.sql import Database, insert_if_absent

COLUMNS = TABLE.c


@dataclass(frozen=True, slots=True)
class SqliteDocuments:
    database: Database

    async def insert(self, document: Document) -> bool:
        row = {name: document[name] for name in ("id", "edition", "unsent", *KEYS)} | {"document": document}
        async with self.database.write() as connection:
            return await insert_if_absent(connection, insert(TABLE).values(row))

    async def update(self, document_id: str, edition: int, changes: Document, line: Document | None, event: str | None) -> bool:
        same = and_(COLUMNS.id == document_id, COLUMNS.edition == edition)
        async with self.database.write() as connection:
            standing = await connection.scalar(select(COLUMNS.document).where(same))
            if standing is None:
                return False
            document = standing | changes
            document["history"] = standing["history"] + ([line] if line else [])
            document["pending_events"] = standing["pending_events"] + ([event] if event else [])
            row = {name: document[name] for name in ("edition", *KEYS)}
            await connection.execute(
                update(TABLE).where(same).values(row | {"unsent": len(document["pending_events"]), "document": document})
            )
        return True

    async def get(self, ids: list[str]) -> list[Document]:
        async with self.database.read() as connection:
            return list(await connection.scalars(select(COLUMNS.document).where(COLUMNS.id.in_(ids))))

    async def find(self, query: Query) -> list[Document]:
        async with self.database.read() as connection:
            return list(await connection.scalars(_ordered(select(COLUMNS.document).where(*_bounds(query)), query)))

    async def count(self, query: Query) -> int:
        async with self.database.read() as connection:
            return await connection.scalar(select(func.count()).select_from(TABLE).where(*_bounds(query))) or 0

    async def unsent(self, limit: int, after: str) -> list[tuple[str, list[str]]]:
        there = and_(COLUMNS.unsent > 0, COLUMNS.id > after)
        waiting = select(COLUMNS.id, COLUMNS.document).where(there).order_by(COLUMNS.id).limit(limit)
        async with self.database.read() as connection:
            return [(row.id, row.document["pending_events"]) for row in await connection.execute(waiting)]

    async def sent(self, document_id: str, event: str) -> None:
        async with self.database.write() as connection:
            document = await connection.scalar(select(COLUMNS.document).where(COLUMNS.id == document_id))
            if document is None or event not in document["pending_events"]:
                return
            document["pending_events"].remove(event)
            document["published_events"].append(event)
            left = {"unsent": len(document["pending_events"]), "document": document}
            await connection.execute(update(TABLE).where(COLUMNS.id == document_id).values(left))

    async def forget_sent(self, before_us: int) -> int:
        emptied = func.json_set(COLUMNS.document, "$.published_events", func.json("[]"))
        old = and_(COLUMNS.changed_us < before_us, func.json_array_length(COLUMNS.document, "$.published_events") > 0)
        async with self.database.write() as connection:
            return (await connection.execute(update(TABLE).where(old).values(document=emptied))).rowcount


def _bounds(query: Query) -> list[ColumnElement[bool]]:
    among = [COLUMNS[name].in_(values) for name, values in query.among.items()]
    lower = [COLUMNS[name] >= low for name, (low, _) in query.ranges.items() if low is not None]
    upper = [COLUMNS[name] < high for name, (_, high) in query.ranges.items() if high is not None]
    return [*among, *lower, *upper]


def _ordered(statement: Select[Any], query: Query) -> Select[Any]:
    key, one = COLUMNS[query.order], COLUMNS.id
    if query.after is not None:
        value, last = query.after
        beyond = operator.lt if query.descending else operator.gt
        later = beyond(one, last) if query.order == "id" else or_(beyond(key, value), and_(key == value, beyond(one, last)))
        statement = statement.where(later)
    order = (key.desc(), one.desc()) if query.descending else (key, one)
    return statement.order_by(*order).limit(query.limit)
