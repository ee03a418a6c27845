"""Fixtures on real servers. A test that needs one declares it, as `tests/servers.py` says."""

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

from tests.servers import MARKER, check_servers, mark_fixtures, server

# In CI every run has the same examples, so that a change alone decides the result; elsewhere every run tries new ones. There is no
# deadline, because the machine may be busy.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("curious", deadline=None)
settings.load_profile("repeatable" if os.environ.get("CI") else "curious")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, before `-m needs_servers` selects those tests."""
    for item in items:
        mark_fixtures(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that lacks a server, before any of its fixtures is set up."""
    check_servers(item)


@contextmanager
def mysql_cursor(server_url: str) -> Iterator[Any]:
    """Connect to the MySQL-protocol server as root, to create and drop databases."""
    url = make_url(server_url)
    host, port, user = url.host or "127.0.0.1", url.port or 3306, url.username or "root"
    password = str(url.password or "")
    with (
        pymysql.connect(host=host, port=port, user=user, password=password, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


@pytest.fixture
def mysql_url() -> Iterator[str]:
    """The URL of a new database on the MySQL-protocol server, which is dropped after the test."""
    name, url = f"t_{uuid4().hex[:16]}", server("MYSQL")
    with mysql_cursor(url) as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield make_url(url).set(database=name).render_as_string(hide_password=False)
    with mysql_cursor(url) as cursor:
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def mongo_url() -> str:
    """The URL of a new database on the MongoDB-protocol server."""
    return f"{server('MONGO').rstrip('/')}/t_{uuid4().hex[:16]}"


@pytest.fixture
def amqp_url() -> str:
    return server("AMQP")


@pytest.fixture
def redis_url() -> str:
    """The Redis server. Its tests use addresses and accounts of their own, because they share it."""
    return server("REDIS")


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.needs_servers("MYSQL"))])
def sql_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database, once for each SQL back end."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("mysql_url"))
