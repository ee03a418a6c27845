"""Users whose creation is not finished, in SQL."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert

from admin_svc.domain.users import NewUser, PendingUser
from admin_svc.repository.tables import PENDING_USERS
from shared.contracts.identity import Role
from shared.kit.outbox import SqlTransaction
from shared.kit.pending import first_retry_at, take_due_rows
from shared.kit.sql import insert_if_absent
from shared.kit.unreadable import read_rows

MAX_PENDING_AT_ONCE = 20


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


class PendingUserWrites(SqlTransaction):
    """The part of SqlAdminTransaction that reads and writes pending users."""

    async def insert_pending_user(self, user: NewUser, requested_at: datetime) -> None:
        row = {"id": user.id, "fields": new_user_to_json(user), "requested_at": requested_at}
        row["retry_at"] = first_retry_at(requested_at)
        await insert_if_absent(self.connection, insert(PENDING_USERS).values(row))

    async def delete_pending_user(self, user_id: UUID) -> None:
        await self.connection.execute(delete(PENDING_USERS).where(PENDING_USERS.c.id == user_id))

    async def take_due_users(self, now: datetime) -> list[PendingUser]:
        rows = await take_due_rows(self.connection, PENDING_USERS, now=now, limit=MAX_PENDING_AT_ONCE, requested_at_column="requested_at")
        return read_rows("pending_user", rows, pending_user_from_row, lambda row: row.id)
