"""The database of admin-service in SQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, delete, insert

from admin_svc.domain import NewUser, PendingUser
from shared.contracts.identity import Role, Service
from shared.kit.clock import Clock
from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.outbox import SqlTransaction
from shared.kit.pending import first_retry_at, take_due_rows
from shared.kit.sql import Database, Id, MediumText, UtcDateTime, insert_if_absent
from shared.kit.unreadable import read_rows

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
MAX_PENDING_AT_ONCE = 20

PENDING_USERS = Table(
    "pending_users",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("fields", MediumText, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False, index=True),
)


def new_user_to_json(user: NewUser) -> str:
    """Return the column `fields` of PENDING_USERS."""
    return json.dumps({name: value for name, value in asdict(user).items() if name != "id"}, default=str)


def new_user_from_json(user_id: UUID, text: str) -> NewUser:
    """Return the user of a row of PENDING_USERS."""
    fields: dict[str, Any] = json.loads(text)
    return NewUser(**fields | {"id": user_id, "role": Role(fields["role"])})


def pending_user_from_row(row: Any) -> PendingUser:
    """Return the pending user of a row of PENDING_USERS."""
    return PendingUser(new_user_from_json(row.id, row.fields), row.requested_at)


class SqlAdminTransaction(SqlTransaction):
    """Implements AdminTransaction."""

    async def insert_pending_user(self, user: NewUser, requested_at: datetime) -> None:
        row = {"id": user.id, "fields": new_user_to_json(user), "requested_at": requested_at}
        row["retry_at"] = first_retry_at(requested_at)
        await insert_if_absent(self.connection, insert(PENDING_USERS).values(row))

    async def delete_pending_user(self, user_id: UUID) -> None:
        await self.connection.execute(delete(PENDING_USERS).where(PENDING_USERS.c.id == user_id))

    async def take_due_users(self, now: datetime) -> list[PendingUser]:
        rows = await take_due_rows(self.connection, PENDING_USERS, now=now, limit=MAX_PENDING_AT_ONCE, requested_at_column="requested_at")
        return read_rows("pending_user", rows, pending_user_from_row, lambda row: row.id)


@dataclass(frozen=True, slots=True)
class SqlAdminStore:
    """Implements AdminStore."""

    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlAdminTransaction]:
        async with self.database.write() as connection:
            yield SqlAdminTransaction(connection, INFRASTRUCTURE, Service.ADMIN, self.now)
