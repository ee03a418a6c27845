"""The MySQL users of a deployment: what the script of the MySQL image creates, compose.yaml names, and `make env` has secrets for."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.engine import URL, make_url
from typer.testing import CliRunner

from careslot.cli import app
from tests.conftest import mysql_cursor
from tests.contract.test_audit_privileges import FORBIDDEN, is_denied
from tests.servers import server

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "mysql" / "10-databases.sh"
CLIENT = """#!/bin/sh
cat >> "$RECORDED_STATEMENTS"
"""
"""Stands in for the client of MySQL in the image, and records what it is sent."""
REQUIRED = re.compile(r"\$\{([A-Z_]+):\?[^}]*\}")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
URL_NAMES = ("ADMIN_DATABASE_URL", "ADMIN_MIGRATION_DATABASE_URL", "ADMIN_RETENTION_DATABASE_URL")


def read_env(folder: Path) -> dict[str, str]:
    """Run `make env` in a folder, and return the variables that it has written."""
    runpy.run_path(str(ROOT / "deploy" / "make_env.py"))["main"](folder / ".env")
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


def list_statements(folder: Path, env: dict[str, str]) -> list[str]:
    """Return the statements that the script sends as root at the first start of the MySQL image."""
    (folder / "bin").mkdir()
    (folder / "bin" / "mysql").write_text(CLIENT)
    (folder / "bin" / "mysql").chmod(0o755)
    recorded = folder / "statements.sql"
    passed = env | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "RECORDED_STATEMENTS": str(recorded)}
    subprocess.run(["sh", str(SCRIPT)], env=passed, check=True)
    return [statement for part in recorded.read_text().split(";\n") if (statement := part.strip())]


def list_deployed_urls(env: dict[str, str]) -> dict[str, URL]:
    """Return the URLs of MySQL databases that compose.yaml gives to the services and their migrations, by variable."""
    found = re.findall(r"^ +([A-Z_]+_DATABASE_URL): (mysql\+\S+ ?\S* ?\S*)$", COMPOSE, re.MULTILINE)
    return {name: make_url(REQUIRED.sub(lambda variable: env[variable[1]], value)) for name, value in found}


def test_make_env_has_a_secret_for_everything_that_compose_needs(tmp_path: Path) -> None:
    assert set(REQUIRED.findall(COMPOSE)) <= read_env(tmp_path).keys()


def test_the_script_creates_every_user_that_compose_names_with_the_same_password(tmp_path: Path) -> None:
    env = read_env(tmp_path)
    named = list_deployed_urls(env)
    assert named.keys() >= {*URL_NAMES, "AUTH_DATABASE_URL", "NOTIFY_DATABASE_URL"}
    created = set(re.findall(r"CREATE USER IF NOT EXISTS '(\w+)'@'%' IDENTIFIED BY '(\w+)'", "\n".join(list_statements(tmp_path, env))))
    assert {(url.username, url.password) for url in named.values()} == created
    of_mysql = COMPOSE.partition("\n  mysql:")[2].partition("\n  mongo:")[0]
    assert set(re.findall(r"^ +([A-Z_]+_DATABASE_PASSWORD):", of_mysql, re.MULTILINE)) == {
        f"{name.upper()}_DATABASE_PASSWORD" for name, _ in created
    }


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The URLs of admin-service in a deployment, whose users the script has created on the real server, under names of this test.

    The services' own names may be those of other tests on the same server.
    """
    env, prefix = read_env(tmp_path), f"d{uuid4().hex[:8]}_"
    statements = [re.sub(r"([`'])([a-z_]+)(`|'@)", rf"\g<1>{prefix}\g<2>\g<3>", item) for item in list_statements(tmp_path, env)]
    with mysql_cursor(server("MYSQL")) as cursor:
        for statement in statements:
            cursor.execute(statement)
    yield {name: on_test_server(url, prefix) for name, url in list_deployed_urls(env).items() if name in URL_NAMES}
    with mysql_cursor(server("MYSQL")) as cursor:
        for user in set(re.findall(rf"'({prefix}\w+)'@", "\n".join(statements))):
            cursor.execute(f"DROP USER '{user}'@'%'")
        for database in set(re.findall(rf"`({prefix}\w+)`", "\n".join(statements))):
            cursor.execute(f"DROP DATABASE `{database}`")


def on_test_server(url: URL, prefix: str) -> str:
    """Return the URL of a user and database of this test."""
    host = make_url(server("MYSQL"))
    named = url.set(host=host.host, port=host.port, username=f"{prefix}{url.username}", database=f"{prefix}{url.database}")
    return named.render_as_string(hide_password=False)


@pytest.mark.needs_servers("MYSQL")
async def test_in_a_deployment_the_user_of_admin_service_cannot_change_the_audit_trail(deployed: dict[str, str]) -> None:
    assert await is_denied(deployed["ADMIN_DATABASE_URL"], "CREATE TABLE mine (id INT)"), "it has no privilege before the migration"
    migrated = CliRunner().invoke(app, ["migrate", "--service", "admin-service"], env=deployed)
    assert migrated.exit_code == 0, migrated.output
    for name, statement in FORBIDDEN.items():
        assert await is_denied(deployed["ADMIN_DATABASE_URL"], statement), name
    assert not await is_denied(deployed["ADMIN_DATABASE_URL"], "DELETE FROM pending_users")
    assert not await is_denied(deployed["ADMIN_RETENTION_DATABASE_URL"], "DELETE FROM audit_lines")
    assert await is_denied(deployed["ADMIN_RETENTION_DATABASE_URL"], "UPDATE audit_lines SET action = 'profile.read'")
