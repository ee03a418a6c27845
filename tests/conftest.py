"""Real servers for tests: where they are, and what to say when they are not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymysql
import pytest
from hypothesis import settings
from sqlalchemy.engine import make_url

# What decides about a change answers the same twice; elsewhere every run looks further. Time is no judge on a busy machine.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("curious", deadline=None)
settings.load_profile("repeatable" if os.environ.get("CI") else "curious")

ROOT = Path(__file__).parent.parent
ENVIRONMENT = ROOT / ".servers.env"


def server(name: str) -> str:
    """The URL of a test server, from the environment or from what `make servers` wrote."""
    lines = ENVIRONMENT.read_text().splitlines() if ENVIRONMENT.exists() else []
    known = dict(line.split("=", 1) for line in lines if "=" in line) | dict(os.environ)
    variable = f"CARESLOT_TEST_{name}_URL"
    if variable in known:
        return known[variable]
    why = f"needs {variable}: start the servers with `make servers`"
    if os.environ.get("CARESLOT_REQUIRE_SERVERS"):
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def mysql_cursor() -> Iterator[Any]:
    """The root of the MySQL-protocol server, for making and dropping databases."""
    url = make_url(server("MYSQL"))
    host, port, user = url.host or "127.0.0.1", url.port or 3306, url.username or "root"
    password = str(url.password or "")
    with (
        pymysql.connect(host=host, port=port, user=user, password=password, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


@pytest.fixture
def mysql_url() -> Iterator[str]:
    """A fresh database on the MySQL-protocol server, gone after the test."""
    name = f"t_{uuid4().hex[:16]}"
    with mysql_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield make_url(server("MYSQL")).set(database=name).render_as_string(hide_password=False)
    with mysql_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def mongo_url() -> str:
    """A fresh database name on the MongoDB-protocol server."""
    return f"{server('MONGO').rstrip('/')}/t_{uuid4().hex[:16]}"


@pytest.fixture
def amqp_url() -> str:
    return server("AMQP")


@pytest.fixture(params=["sqlite", "mysql"])
def sql_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database on every SQL back end."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("mysql_url"))
