"""Brings a service's SQL schema up to date with Alembic; the histories lie in each service's `migrations/`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.kit.infrastructure_tables import infrastructure_tables

DRIVERS = {"mysql+aiomysql": "mysql+pymysql", "sqlite+aiosqlite": "sqlite"}


def synchronous_url(url: str) -> str:
    """The same database through a driver that Alembic can use."""
    scheme, _, rest = url.partition("://")
    return f"{DRIVERS.get(scheme, scheme)}://{rest}"


def alembic_config(package: str, url: str) -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("version_locations", str(files(package).joinpath("migrations")))
    made.set_main_option("path_separator", "os")
    made.attributes["url"] = synchronous_url(url)
    return made


def is_up_to_date(package: str, url: str) -> bool:
    """Whether the schema stands at the newest revision; a cheap look, for every start."""
    wanted = ScriptDirectory.from_config(alembic_config(package, url)).get_current_head()
    engine = sa.create_engine(synchronous_url(url))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() == wanted
    finally:
        engine.dispose()


def migrate(package: str, url: str) -> None:
    """Up to the newest revision."""
    command.upgrade(alembic_config(package, url), "head")


def create_infrastructure_tables() -> None:
    """For a first migration: outbox, inbox, leases, answers as of the first release."""
    metadata = sa.MetaData()
    infrastructure_tables(metadata)
    metadata.create_all(op.get_bind())


def drop_tables(*names: str) -> None:
    for name in (*names, "outbox", "inbox", "leases", "answers"):
        op.drop_table(name)


__all__: list[Any] = ["create_plumbing", "drop_tables", "migrate", "up_to_date"]
