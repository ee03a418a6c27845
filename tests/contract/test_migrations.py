"""Every service's migrations lead to the tables that its code uses, on every SQL server, from an empty and from an old database."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.kit.clock import MovableClock
from shared.kit.infrastructure_tables import InfrastructureTables, infrastructure_tables
from shared.kit.migrations import alembic_config, is_up_to_date, migrate, synchronous_url
from shared.kit.outbox import Relay
from shared.kit.sql import Database
from tests.contract.buses import RecordingBus

SQL_SERVICES = ("auth_svc", "patient_svc", "doctor_svc", "scheduling_svc", "admin_svc", "notify_svc")
NEEDS_MYSQL = pytest.mark.needs_servers("MYSQL")
INSTALLATIONS = [
    *(pytest.param((package, "sqlite"), id=f"{package}-sqlite") for package in SQL_SERVICES),
    *(pytest.param((package, "mysql"), id=f"{package}-mysql", marks=NEEDS_MYSQL) for package in SQL_SERVICES),
    pytest.param(("appointment_svc", "sqlite"), id="appointment_svc-sqlite"),  # beside SQLite it stores its documents in MongoDB
]
FIRST_REVISION = "0001"
EVENT_ID = UUID(int=7)
NEW_COLUMN_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{newest}"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("priority", sa.Integer, nullable=False, server_default="5"))


def downgrade() -> None:
    op.drop_column("outbox", "priority")
"""


@pytest.fixture(params=INSTALLATIONS)
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A service's package and the URL of an empty database for it."""
    package, server = request.param
    return package, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}" if server == "sqlite" else request.getfixturevalue("mysql_url")


@pytest.fixture
def package(installation: tuple[str, str]) -> str:
    return installation[0]


@pytest.fixture
def url(installation: tuple[str, str]) -> str:
    return installation[1]


def metadata_of(package: str) -> sa.MetaData:
    try:
        module = importlib.import_module(f"{package}.repository.tables")
    except ModuleNotFoundError:
        module = importlib.import_module(f"{package}.repository")
    metadata: sa.MetaData = module.METADATA
    return metadata


def differences(url: str, metadata: sa.MetaData) -> list[Any]:
    """Return how the schema of the database differs from the tables of the code, in tables, columns, types, NOT NULL and indexes."""
    engine = sa.create_engine(synchronous_url(url))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    changes = [change for entry in found for change in (entry if isinstance(entry, list) else [entry])]
    return [change for change in changes if "alembic_version" not in str(change)]


def test_migrations_make_the_tables_that_the_code_uses(package: str, url: str) -> None:
    migrate(package, url)
    assert is_up_to_date(package, url)
    assert differences(url, metadata_of(package)) == []


def test_a_database_of_the_first_release_is_upgraded_to_the_same_tables(package: str, url: str) -> None:
    command.upgrade(alembic_config(package, url), FIRST_REVISION)
    migrate(package, url)
    assert is_up_to_date(package, url)
    assert differences(url, metadata_of(package)) == []


def test_every_migration_can_be_undone_and_done_again(package: str, url: str) -> None:
    migrate(package, url)
    command.downgrade(alembic_config(package, url), "base")
    engine = sa.create_engine(synchronous_url(url))
    tables = sa.inspect(engine).get_table_names()
    engine.dispose()
    assert set(tables) <= {"alembic_version"}
    migrate(package, url)
    assert differences(url, metadata_of(package)) == []


def test_the_reports_read_all_appointments_once_after_the_update_even_if_admin_service_has_no_trace_of_use(sql_url: str) -> None:
    command.upgrade(alembic_config("admin_svc", sql_url), "0007")
    migrate("admin_svc", sql_url)
    engine = sa.create_engine(synchronous_url(sql_url))
    with engine.begin() as connection:
        rebuilds = connection.execute(sa.text("SELECT phase, finished_at FROM report_rebuilds")).all()
    engine.dispose()
    assert [tuple(row) for row in rebuilds] == [("reading", None)]


def with_new_column(package: str, url: str, folder: Path) -> Config:
    """Return the configuration of a service whose maintainer has added a revision that adds `outbox.priority`."""
    config = alembic_config(package, url)
    newest = ScriptDirectory.from_config(config).get_current_head()
    (folder / "next.py").write_text(NEW_COLUMN_REVISION.format(newest=newest))
    config.set_main_option("version_locations", os.pathsep.join((str(config.get_main_option("version_locations")), str(folder))))
    return config


def start_empty(_package: str, _url: str) -> None:
    """The new release is the first that is installed."""


def start_with_the_first_release(package: str, url: str) -> None:
    """The first release has run, and has left an event in the outbox."""
    command.upgrade(alembic_config(package, url), FIRST_REVISION)
    insert_event(url)


def start_with_the_present_release(package: str, url: str) -> None:
    migrate(package, url)
    insert_event(url)


def insert_event(url: str) -> None:
    engine = sa.create_engine(synchronous_url(url))
    with engine.begin() as connection:
        values = {"id": EVENT_ID.hex, "topic": "password.changed.v1", "at": "2026-03-02 12:00:00"}
        connection.execute(sa.text("INSERT INTO outbox (event_id, topic, body, created_at) VALUES (:id, :topic, '{}', :at)"), values)
    engine.dispose()


def live_tables_with_new_column() -> InfrastructureTables:
    """The tables of the kit after the maintainer's change."""
    tables = infrastructure_tables(sa.MetaData())
    tables.outbox.append_column(sa.Column("priority", sa.Integer, nullable=False, server_default="5"))
    return tables


@pytest.mark.parametrize("start", [start_empty, start_with_the_first_release, start_with_the_present_release])
async def test_a_new_column_of_the_outbox_takes_one_revision(
    package: str, url: str, tmp_path: Path, start: Callable[[str, str], None]
) -> None:
    start(package, url)
    folder = tmp_path / "versions"
    folder.mkdir()
    command.upgrade(with_new_column(package, url, folder), "head")
    tables, bus = live_tables_with_new_column(), RecordingBus()
    assert [change for change in differences(url, tables.outbox.metadata) if "outbox" in str(change)] == []
    if start is start_empty:
        insert_event(url)
    async with Database(url) as database:
        async with database.read() as connection:
            rows = (await connection.execute(sa.select(tables.outbox.c.event_id, tables.outbox.c.priority))).all()
        assert [tuple(row) for row in rows] == [(EVENT_ID, 5)]
        assert await Relay(database, tables, bus, MovableClock()).publish_waiting() == 1
    assert bus.published == [str(EVENT_ID)]
