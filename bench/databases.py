"""Fresh databases for measurements: on the MariaDB that `make servers` started, or SQLite in a temporary folder."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from shared.kit.migrations import synchronous_url

SERVERS = Path(__file__).parents[1] / ".servers.env"


def mysql_server() -> str | None:
    """Return the URL of the MariaDB server, without a database; None if there is no server."""
    from_environment = os.environ.get("CARESLOT_TEST_MYSQL_URL")
    match = re.search(r"^CARESLOT_TEST_MYSQL_URL=(.*)$", SERVERS.read_text(), re.MULTILINE) if SERVERS.exists() else None
    return from_environment or (match[1].strip("'\"") if match else None)


@asynccontextmanager
async def create_mysql_database() -> AsyncIterator[str]:
    """Create a database and drop it on leaving. Without a server, raises SystemExit with the command that starts it."""
    server = mysql_server()
    if server is None:
        raise SystemExit("no MariaDB: run `make servers` first")
    name = f"bench_{uuid4().hex[:12]}"
    engine = sa.create_engine(synchronous_url(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield f"{server.rstrip('/')}/{name}"
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}"))
        engine.dispose()


@asynccontextmanager
async def create_sqlite_database() -> AsyncIterator[str]:
    """Create a folder for a SQLite database and delete it on leaving."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite+aiosqlite:///{folder}/bench.db"
