"""The store of admin-service in SQL: new users on paper."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, delete, insert, select, update

from admin_svc.domain import NewUser, Wish
from shared.contracts.identity import Role
from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Database, Id, MediumText, UtcDateTime, insert_if_absent

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
BATCH = 20

NEW_USERS = Table(
    "new_users",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("wish", MediumText, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("tried_at", UtcDateTime, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class SqlWishes:
    database: Database

    async def note(self, user: NewUser, at: datetime) -> None:
        async with self.database.write() as connection:
            await insert_if_absent(connection, insert(NEW_USERS).values(id=user.id, wish=to_text(user), asked_at=at, tried_at=at))

    async def forget(self, user_id: UUID) -> None:
        async with self.database.write() as connection:
            await connection.execute(delete(NEW_USERS).where(NEW_USERS.c.id == user_id))

    async def take_up(self, before: datetime, now: datetime) -> list[Wish]:
        overdue = select(NEW_USERS).where(NEW_USERS.c.tried_at <= before).order_by(NEW_USERS.c.tried_at).limit(BATCH)
        async with self.database.write() as connection:
            rows = (await connection.execute(overdue.with_for_update())).all()
            if rows:
                ids = [row.id for row in rows]
                await connection.execute(update(NEW_USERS).where(NEW_USERS.c.id.in_(ids)).values(tried_at=now))
        return [Wish(from_text(row.id, row.wish), row.asked_at) for row in rows]


def to_text(user: NewUser) -> str:
    return json.dumps({name: value for name, value in asdict(user).items() if name != "id"}, default=str)


def from_text(user_id: UUID, text: str) -> NewUser:
    fields: dict[str, Any] = json.loads(text)
    return NewUser(**fields | {"id": user_id, "role": Role(fields["role"])})
