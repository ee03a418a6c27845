"""Fresh databases for measurements: MariaDB as `make servers` left it, or SQLite in a folder of its own."""

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
    """The URL of the server, without a database."""
    told = os.environ.get("CARESLOT_TEST_MYSQL_URL")
    found = re.search(r"^CARESLOT_TEST_MYSQL_URL=(.*)$", SERVERS.read_text(), re.MULTILINE) if SERVERS.exists() else None
    return told or (found[1].strip("'\"") if found else None)


@asynccontextmanager
async def on_mysql() -> AsyncIterator[str]:
    """A database that is dropped afterwards; ends the program with the command that starts a server where there is none."""
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
async def on_sqlite() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite+aiosqlite:///{folder}/bench.db"
