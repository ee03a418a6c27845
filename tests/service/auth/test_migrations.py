"""A database of an earlier release: people who gave no time zone follow the clinic, and all others keep theirs."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from alembic import command

from shared.kit.migrations import alembic_config, migrate, synchronous_url

INSERT = (
    "INSERT INTO accounts (id, email, full_name, role, status, locale, created_at, time_zone, name_version, version)"
    " VALUES (:id, :id, 'Sam', 'patient', 'active', 'en', '2026-03-02 12:00:00', :time_zone, 0, 1)"
)
STORED_BEFORE = ["UTC", "Europe/Berlin", "Etc/UTC"]


def test_the_zone_that_was_stored_for_people_who_gave_none_is_removed(sql_url: str) -> None:
    config = alembic_config("auth_svc", sql_url)
    command.upgrade(config, "0001")
    engine = sa.create_engine(synchronous_url(sql_url))
    with engine.begin() as connection:
        for number, zone in enumerate(STORED_BEFORE):
            connection.execute(sa.text(INSERT), {"id": UUID(int=number).hex, "time_zone": zone})
    zones = sa.text("SELECT time_zone FROM accounts ORDER BY id")
    migrate("auth_svc", sql_url)
    with engine.connect() as connection:
        assert list(connection.scalars(zones)) == [None, "Europe/Berlin", "Etc/UTC"]
    command.downgrade(config, "0001")
    with engine.connect() as connection:
        assert list(connection.scalars(zones)) == STORED_BEFORE
    engine.dispose()
