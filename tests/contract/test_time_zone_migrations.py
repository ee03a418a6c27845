"""A database of an earlier release: people who gave no time zone follow the clinic, and all others keep theirs."""

from __future__ import annotations

from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command

from shared.kit.migrations import alembic_config, migrate, synchronous_url

STORED_BEFORE = ["UTC", "Europe/Berlin", "Etc/UTC"]
INSERT_ACCOUNT = (
    "INSERT INTO accounts (id, email, full_name, role, status, locale, created_at, time_zone, name_version, version)"
    " VALUES (:id, :id, 'Sam', 'patient', 'active', 'en', '2026-03-02 12:00:00', :time_zone, 0, 1)"
)
INSERT_PATIENT = (
    "INSERT INTO patients (id, full_name, time_zone, locale, active, account_version, version)"
    " VALUES (:id, 'Sam', :time_zone, 'en', 1, 0, 1)"
)


@pytest.mark.parametrize(
    ("package", "table", "insert"), [("auth_svc", "accounts", INSERT_ACCOUNT), ("patient_svc", "patients", INSERT_PATIENT)]
)
def test_the_zone_that_was_stored_for_people_who_gave_none_is_removed(sql_url: str, package: str, table: str, insert: str) -> None:
    config = alembic_config(package, sql_url)
    command.upgrade(config, "0001")
    engine = sa.create_engine(synchronous_url(sql_url))
    with engine.begin() as connection:
        for number, zone in enumerate(STORED_BEFORE):
            connection.execute(sa.text(insert), {"id": UUID(int=number).hex, "time_zone": zone})
    zones = sa.text(f"SELECT time_zone FROM {table} ORDER BY id")
    migrate(package, sql_url)
    with engine.connect() as connection:
        assert list(connection.scalars(zones)) == [None, "Europe/Berlin", "Etc/UTC"]
    command.downgrade(config, "0001")
    with engine.connect() as connection:
        assert list(connection.scalars(zones)) == STORED_BEFORE
    engine.dispose()
