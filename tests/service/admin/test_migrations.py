"""A database of an earlier release keeps its rows."""

from __future__ import annotations

from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command

from admin_svc.domain.users import NewUser
from admin_svc.repository import SqlAdminStore
from shared.contracts.identity import Role
from shared.kit.migrations import alembic_config, migrate, synchronous_url
from shared.kit.sql import Database
from tests.running import NOON

USER = NewUser(UUID(int=7), "dora@clinic.test", Role.DOCTOR, "Dora Doctor", time_zone="UTC", locale="en", doctor={"title": "Dr."})
STORED_FIELDS = (
    '{"email": "dora@clinic.test", "role": "doctor", "full_name": "Dora Doctor", "time_zone": "UTC", "locale": "en",'
    ' "phone": null, "doctor": {"title": "Dr."}}'
)


@pytest.mark.parametrize("has_been_downgraded", [False, True])
async def test_a_pending_user_of_the_first_schema_is_kept(sql_url: str, has_been_downgraded: bool) -> None:
    config = alembic_config("admin_svc", sql_url)
    command.upgrade(config, "0001")
    if has_been_downgraded:
        migrate("admin_svc", sql_url)
        command.downgrade(config, "0001")
    engine = sa.create_engine(synchronous_url(sql_url))
    with engine.begin() as connection:
        row = {"id": USER.id.hex, "wish": STORED_FIELDS, "at": "2026-03-02 12:00:00"}
        connection.execute(sa.text("INSERT INTO new_users (id, wish, asked_at, tried_at) VALUES (:id, :wish, :at, :at)"), row)
    engine.dispose()
    migrate("admin_svc", sql_url)
    async with Database(sql_url) as database, SqlAdminStore(database, lambda: NOON).begin() as tx:
        (pending,) = await tx.take_due_users(NOON)
    assert (pending.user, pending.requested_at) == (USER, NOON)
