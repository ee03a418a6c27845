"""The MySQL users of admin-service: the one of the service appends to the audit trail and cannot change it, as MySQL itself says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from admin_svc.repository.privileges import may_change_lines
from careslot.cli import app
from shared.contracts.identity import Role
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.conftest import mysql_cursor
from tests.running import RunningService, run_service
from tests.servers import server
from tests.service.admin.audit_events import an_audit_event, sign_heads
from tests.tokens import bearer

pytestmark = pytest.mark.needs_servers("MYSQL")
PASSWORD = "a password of the tests"
SECRET = "7f3b1e0c9d5a4862bb10c4d7e6f8a9150234567890abcdef"
ADMIN = bearer(Role.ADMIN)


@pytest.fixture
def users(mysql_url: str) -> Iterator[dict[str, str]]:
    """The URLs of three new users: of the service and of the retention without any privilege, of migrations with all on the database."""
    database, urls = make_url(mysql_url).database, {}
    with mysql_cursor(server("MYSQL")) as cursor:
        for purpose in ("service", "retention", "migration"):
            name = f"{purpose[0]}_{uuid4().hex[:12]}"
            cursor.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{PASSWORD}'")
            urls[purpose] = make_url(mysql_url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
        migration = make_url(urls["migration"]).username
        cursor.execute(f"GRANT ALL ON `{database}`.* TO '{migration}'@'%' WITH GRANT OPTION")
    yield urls
    with mysql_cursor(server("MYSQL")) as cursor:
        for url in urls.values():
            cursor.execute(f"DROP USER '{make_url(url).username}'@'%'")


def migrate_from_command_line(users: dict[str, str]) -> None:
    """Run `careslot migrate` with the three users in its environment."""
    urls = {"ADMIN_DATABASE_URL": "service", "ADMIN_MIGRATION_DATABASE_URL": "migration", "ADMIN_RETENTION_DATABASE_URL": "retention"}
    result = CliRunner().invoke(
        app, ["migrate", "--service", "admin-service"], env={name: users[purpose] for name, purpose in urls.items()}
    )
    assert result.exit_code == 0, result.output


@pytest.fixture
async def admin(tmp_path: Path, users: dict[str, str]) -> AsyncIterator[RunningService]:
    """The service, which runs as users that may not change the audit trail."""
    migrate_from_command_line(users)
    settings = {"database_url": users["service"], "retention_database_url": users["retention"]}
    async with run_service("admin_svc", tmp_path, sign_heads, migrated=False, **settings) as service:  # type: ignore[arg-type]
        yield service


FORBIDDEN = {
    "change-line": "UPDATE audit_lines SET action = 'profile.read'",
    "delete-line": "DELETE FROM audit_lines",
    "replace-line": "REPLACE INTO audit_lines SELECT * FROM audit_lines",
    "empty-lines": "TRUNCATE TABLE audit_lines",
    "drop-lines": "DROP TABLE audit_lines",
    "alter-lines": "ALTER TABLE audit_lines DROP COLUMN hash",
    "change-head": "UPDATE audit_heads SET hash = 'mine'",
    "excuse-deletion": "UPDATE audit_heads SET lines_deleted_at = '2026-03-02'",
    "delete-head": "DELETE FROM audit_heads",
    "trigger": "CREATE TRIGGER sly BEFORE INSERT ON audit_lines FOR EACH ROW SET NEW.action = 'nothing'",
}


async def test_the_user_of_the_service_may_append_and_not_change(admin: RunningService, users: dict[str, str]) -> None:
    await admin.publish_event(an_audit_event())
    await admin.advance(timedelta(days=1))
    for name, statement in FORBIDDEN.items():
        assert await is_denied(users["service"], statement), name
    lines = (await admin.http.get("/admin/audit", headers=ADMIN)).json()["items"]
    assert [line["action"] for line in lines] == ["medical_history.read"]
    heads = (await admin.http.get("/admin/audit/heads", headers=ADMIN)).json()["items"]
    assert [head["signature"] for head in heads] == ["signed 2026-03-02"]


async def test_the_user_of_the_retention_deletes_old_lines_and_may_nothing_else(admin: RunningService, users: dict[str, str]) -> None:
    await admin.publish_event(an_audit_event())
    await admin.advance(timedelta(days=1))
    for statement in ("UPDATE audit_lines SET action = 'x'", "UPDATE audit_heads SET hash = 'x'", "DELETE FROM audit_heads"):
        assert await is_denied(users["retention"], statement), statement
    for statement in ("SELECT * FROM pending_users", "SELECT * FROM outbox", "UPDATE audit_chain SET line_count = 0"):
        assert await is_denied(users["retention"], statement), statement
    await admin.advance(timedelta(days=366 * 10))
    assert (await admin.http.get("/admin/audit", headers=ADMIN)).json()["items"] == []


async def test_a_service_that_had_all_privileges_loses_them_with_the_next_migration(users: dict[str, str], mysql_url: str) -> None:
    migrate("admin_svc", mysql_url)
    database, name = make_url(mysql_url).database, make_url(users["service"]).username
    with mysql_cursor(server("MYSQL")) as cursor:
        cursor.execute(f"GRANT ALL ON `{database}`.* TO '{name}'@'%'")
    assert not await is_denied(users["service"], "DELETE FROM audit_lines")
    assert await may_change_lines(users["service"])
    for _ in range(2):
        migrate_from_command_line(users)
        assert await is_denied(users["service"], "DELETE FROM audit_lines")
    assert not await is_denied(users["service"], "DELETE FROM pending_users")
    assert not await may_change_lines(users["service"])


def test_the_check_warns_where_the_user_of_the_service_may_change_the_audit_trail(users: dict[str, str], mysql_url: str) -> None:
    warning = "warning: admin-service: the user of ADMIN_DATABASE_URL may change or delete lines of the audit trail"
    migrate_from_command_line(users)
    for url, warnings in ((users["service"], 0), (mysql_url, 1)):
        env = {
            "ADMIN_DATABASE_URL": url,
            "ADMIN_CLIENT_SECRET": SECRET,
            "ADMIN_IMPORT_KEY": SECRET.upper(),
            "GATEWAY_CLIENT_SECRET": SECRET[::-1],
        }
        result = CliRunner().invoke(app, ["check"], env=env)
        assert (result.exit_code, result.stderr.count(warning)) == (0, warnings), result.output
        assert result.stdout == "all is well\n"


async def is_denied(url: str, statement: str) -> bool:
    """Return whether the server denies the user of `url` a statement."""
    try:
        async with Database(url) as database, database.write() as connection:
            await connection.execute(text(statement))
    except DBAPIError as error:
        return "denied" in str(error)
    return False
