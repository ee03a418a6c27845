"""Runs a service's Alembic history, which is in the service's own `migrations/` folder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

DRIVERS = {"mysql+aiomysql": "mysql+pymysql", "sqlite+aiosqlite": "sqlite"}


def synchronous_url(url: str) -> str:
    """Return the URL of the same database with a driver that Alembic can use."""
    scheme, _, rest = url.partition("://")
    return f"{DRIVERS.get(scheme, scheme)}://{rest}"


def alembic_config(package: str, url: str) -> Config:
    """Return the configuration with which Alembic runs the history of a service's package on a database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("version_locations", str(files(package).joinpath("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = synchronous_url(url)
    return config


def is_up_to_date(package: str, url: str) -> bool:
    """Return whether the database is at the newest revision. This is cheap enough to be checked at every start of a service."""
    newest = ScriptDirectory.from_config(alembic_config(package, url)).get_current_head()
    engine = sa.create_engine(synchronous_url(url))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() == newest
    finally:
        engine.dispose()


def migrate(package: str, url: str) -> None:
    """Upgrade the database to the newest revision."""
    command.upgrade(alembic_config(package, url), "head")
