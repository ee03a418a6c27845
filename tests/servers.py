"""The real servers that a test needs. A test declares them; they are checked before its set-up, so that a skipped test opens nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parent.parent / ".servers.env"
SERVERS = {"MYSQL", "MONGO", "AMQP", "REDIS", "COMPOSED"}
OPTIONAL = {"COMPOSED"}  # needs a container engine, which not every machine has
HOW_TO_START = {
    "COMPOSED": "start the platform with `GATEWAY_RATE_SCALE=1000 docker compose up -d --build --wait` and set the variable to the "
    "gateway's address, such as http://localhost:8000 (tests/faults/test_stopped_containers.py says with which administrator)"
}
SERVERS_OF_FIXTURES = {"mysql_url": "MYSQL", "mongo_url": "MONGO", "amqp_url": "AMQP", "redis_url": "REDIS"}
MARKER = "needs_servers(*names): the test, or the parameter, uses these test servers (MYSQL, MONGO, AMQP, REDIS, COMPOSED)"
_declared: set[str] = set()  # by the test that runs now


class UndeclaredServer(Exception):
    """A test uses a server that it does not declare, so that it could not be skipped before its set-up."""

    def __init__(self, name: str) -> None:
        super().__init__(f'a test that uses the {name} server must declare it: mark the test or the parameter with needs_servers("{name}")')


def server(name: str) -> str:
    """Return the URL of a test server. Raises UndeclaredServer unless the running test declares it."""
    if name not in _declared:
        raise UndeclaredServer(name)
    return known_urls()[variable(name)]


def use_servers(*names: str) -> None:
    """Let a program that is not a test use servers. Raises SystemExit with the command that starts them if one is missing."""
    if missing := [name for name in names if not known_urls().get(variable(name))]:
        raise SystemExit(f"needs {', '.join(map(variable, missing))}: start the servers with `make servers`")
    _declared.update(names)


def check_servers(item: pytest.Item) -> None:
    """Record the servers that a test declares. When one is missing, skip the test, or fail it if CARESLOT_REQUIRE_SERVERS is set."""
    _declared.clear()
    _declared.update(declared_servers(item))
    missing = sorted(name for name in _declared if not known_urls().get(variable(name)))
    if not missing:
        return
    how_to_start = HOW_TO_START.get(missing[0], "start the servers with `make servers`")
    reason = f"needs {', '.join(map(variable, missing))}: {how_to_start}"
    if os.environ.get("CARESLOT_REQUIRE_SERVERS") and not OPTIONAL.issuperset(missing):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def declared_servers(item: pytest.Item) -> set[str]:
    """Return the servers that the marks of a test and of its parameters name."""
    marked = {name for mark in item.iter_markers("needs_servers") for name in mark.args}
    if unknown := marked - SERVERS:
        raise pytest.UsageError(f"needs_servers names no test server: {', '.join(sorted(unknown))}")
    return marked


def mark_fixtures(item: pytest.Item) -> None:
    """Mark a test with the servers of the fixtures that it requests."""
    fixtures = item.fixturenames if isinstance(item, pytest.Function) else []
    if servers := [SERVERS_OF_FIXTURES[fixture] for fixture in fixtures if fixture in SERVERS_OF_FIXTURES]:
        item.add_marker(pytest.mark.needs_servers(*servers))


def known_urls() -> dict[str, str]:
    """Return the addresses in the environment and those that `make servers` wrote; the environment has precedence."""
    lines = ENVIRONMENT.read_text().splitlines() if ENVIRONMENT.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line) | dict(os.environ)


def variable(name: str) -> str:
    return f"CARESLOT_TEST_{name}_URL"
