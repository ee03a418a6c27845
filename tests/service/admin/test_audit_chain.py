"""The chain of the audit trail in the database: it has one end, is append-only, and every change is found."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from admin_svc.domain.audit_chain import SHORTEST_RETENTION_YEARS, ChainFaultCode
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.tables import AUDIT_LINES
from admin_svc.schemas.clinic_settings import RetentionSettings
from admin_svc.settings import AdminSettings
from admin_svc.usecases.audit import AuditTrail
from admin_svc.usecases.audit_verification import AuditVerification
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from shared.kit.migrations import alembic_config, migrate
from shared.kit.sql import Database
from tests.running import NOON, RunningService, problem_response, run_service
from tests.service.admin.audit_events import an_audit_event, sign_heads
from tests.tokens import bearer

ADMIN = bearer(Role.ADMIN)
KEEP_YEARS = 10
INSTANCES, LINES_EACH = 3, 20


@pytest.fixture
async def admin(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB."""
    async with run_service("admin_svc", tmp_path, sign_heads, database_url=sql_url, retention_database_url=sql_url) as service:
        yield service


async def list_faults(url: str) -> list[tuple[ChainFaultCode, date, int | None]]:
    async with Database(url) as database:
        store = SqlAdminStore(database, lambda: NOON)
        verification = AuditVerification(store, lambda head: head.signature == f"signed {head.day}")
        return [(fault.code, fault.day, fault.position) async for fault in verification.list_faults()]


async def publish_two_days(service: RunningService) -> None:
    """Record five lines on the second of March, which is closed and signed then, and two on the third."""
    for _ in range(5):
        await service.publish_event(an_audit_event())
    await service.advance(timedelta(days=1))
    for _ in range(2):
        await service.publish_event(an_audit_event())


async def test_several_instances_append_to_one_chain(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(sql_url)) for _ in range(INSTANCES)]
        trails = [AuditTrail(SqlAdminStore(database, lambda: NOON), lambda: NOON) for database in databases]
        await asyncio.gather(*(trail.append(an_audit_event()) for trail in trails for _ in range(LINES_EACH)))
        async with databases[0].read() as connection:
            positions = list(await connection.scalars(select(AUDIT_LINES.c.position).order_by(AUDIT_LINES.c.position)))
    assert positions == list(range(1, INSTANCES * LINES_EACH + 1))
    assert await list_faults(sql_url) == []


async def test_an_event_that_several_instances_handle_at_once_is_one_line(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    event = an_audit_event()
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(sql_url)) for _ in range(INSTANCES)]
        await asyncio.gather(*(AuditTrail(SqlAdminStore(database, lambda: NOON), lambda: NOON).append(event) for database in databases))
        async with databases[0].read() as connection:
            assert await connection.scalar(select(func.count()).select_from(AUDIT_LINES)) == 1
    assert await list_faults(sql_url) == []


async def test_a_transaction_that_fails_after_the_line_leaves_neither_line_nor_gap(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    event = an_audit_event()
    async with Database(sql_url) as database:
        store = SqlAdminStore(database, lambda: NOON)
        trail = AuditTrail(DyingAuditStore(store), lambda: NOON)  # type: ignore[arg-type]
        with pytest.raises(ProcessDied):
            await trail.append(event)
        await AuditTrail(store, lambda: NOON).append(event)
        await AuditTrail(store, lambda: NOON).append(event)
        assert (await store.get_chain_end()).lines == 1
    assert await list_faults(sql_url) == []


class ProcessDied(Exception):
    """The process ended before the commit."""


class DyingAuditStore:
    """A store whose transactions fail at their end, before the commit."""

    def __init__(self, store: SqlAdminStore) -> None:
        self._store = store

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        async with self._store.begin() as tx:
            yield tx
            raise ProcessDied


async def test_a_day_that_has_ended_is_closed_and_signed_and_listed(admin: RunningService) -> None:
    await publish_two_days(admin)
    response = await admin.http.get("/admin/audit/heads", headers=ADMIN)
    (head,) = response.json()["items"]
    newest_of_day = (await admin.http.get("/admin/audit", params={"to": "2026-03-03T00:00:00Z"}, headers=ADMIN)).json()["items"]
    assert head == {
        "day": "2026-03-02",
        "lines": 5,
        "hash": next(line["hash"] for line in newest_of_day if line["position"] == 5 and line["day"] == "2026-03-02"),
        "previous_hash": "0" * 64,
        "closed_at": "2026-03-03T12:00:00Z",
        "key_id": "key-1",
        "signature": "signed 2026-03-02",
        "signed_at": "2026-03-03T12:00:00Z",
        "lines_deleted_at": None,
    }


async def test_heads_are_listed_in_pages_newest_first_and_as_a_table(admin: RunningService) -> None:
    for _ in range(5):
        await admin.publish_event(an_audit_event())
        await admin.advance(timedelta(days=1))
    seen, params = list[str](), dict[str, Any](limit=2)
    while True:
        page = (await admin.http.get("/admin/audit/heads", params=params, headers=ADMIN)).json()
        seen += [head["day"] for head in page["items"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert seen == [f"2026-03-0{day}" for day in (6, 5, 4, 3, 2)]
    table = await admin.http.get("/admin/audit/heads", headers=ADMIN | {"Accept": "text/csv"})
    assert table.text.splitlines()[0].startswith("day,lines,hash,previous_hash")
    assert (await admin.http.get("/admin/audit/heads", params={"after": "bmV4dA"}, headers=ADMIN)).json()["code"] == "bad_cursor"
    for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION):
        assert (await admin.http.get("/admin/audit/heads", headers=bearer(role))).status_code == 403


async def test_a_head_that_cannot_be_signed_is_signed_later(tmp_path: Path) -> None:
    refusals = [problem_response(503, "unavailable"), problem_response(409, "audit_head_differs")]

    def answer(request: httpx.Request) -> httpx.Response:
        is_for_head = request.url.path.startswith("/internal/audit-heads/")
        return refusals[0] if is_for_head and refusals else sign_heads(request)

    async def signature() -> str | None:
        await service.advance(timedelta(minutes=2))
        (head,) = (await service.http.get("/admin/audit/heads", headers=ADMIN)).json()["items"]
        return str(head["signature"]) if head["signature"] else None

    async with run_service("admin_svc", tmp_path, answer) as service:
        await service.publish_event(an_audit_event())
        await service.advance(timedelta(days=1))
        while refusals:
            assert await signature() is None
            refusals.pop(0)
        assert await signature() == "signed 2026-03-02"


async def test_a_whole_trail_has_no_fault_whether_or_not_its_days_are_closed(admin: RunningService, sql_url: str) -> None:
    assert await list_faults(sql_url) == []
    await publish_two_days(admin)
    assert await list_faults(sql_url) == []
    await admin.advance(timedelta(days=1))
    assert await list_faults(sql_url) == []
    await admin.advance(timedelta(days=366 * KEEP_YEARS))
    await admin.publish_event(an_audit_event())
    assert await list_faults(sql_url) == []


SECOND, THIRD = date(2026, 3, 2), date(2026, 3, 3)


async def test_lines_that_were_deleted_are_no_fault_when_the_clinic_keeps_them_for_longer_later(tmp_path: Path, sql_url: str) -> None:
    years = {"keep_audit_years": 2, "database_url": sql_url, "retention_database_url": sql_url}
    async with run_service("admin_svc", tmp_path, sign_heads, **years) as service:  # type: ignore[arg-type]
        await publish_two_days(service)
        await service.advance(timedelta(days=366 * 2 + 2))
        assert (await service.http.get("/admin/audit", headers=ADMIN)).json()["items"] == []
    async with run_service("admin_svc", tmp_path, sign_heads, **years | {"keep_audit_years": 50}) as service:  # type: ignore[arg-type]
        await service.publish_event(an_audit_event())
    assert await list_faults(sql_url) == []


def test_no_setting_keeps_lines_for_a_shorter_time_than_the_verification_expects() -> None:
    minimums = [
        int(re.findall(r'"minimum": (\d+)', json.dumps(model.model_json_schema()["properties"][name]))[0])
        for name, model in (("keep_audit_years", AdminSettings), ("audit_years", RetentionSettings))
    ]
    assert min(minimums) == SHORTEST_RETENTION_YEARS


TAMPERINGS = {
    "changed": (
        "UPDATE audit_lines SET action = 'profile.read' WHERE day = '2026-03-02' AND position = 3",
        "LINE_CHANGED",
        SECOND,
    ),
    "deleted": ("DELETE FROM audit_lines WHERE day = '2026-03-02' AND position = 3", "LINES_MISSING", SECOND),
    "cut": ("DELETE FROM audit_lines WHERE day = '2026-03-02' AND position > 3", "DAY_CUT", SECOND),
    "cut-open": ("DELETE FROM audit_lines WHERE day = '2026-03-03' AND position = 2", "DAY_CUT", THIRD),
    "moved": ("UPDATE audit_lines SET position = 9 WHERE day = '2026-03-02' AND position = 2", "LINES_MISSING", SECOND),
    "day": ("DELETE FROM audit_lines WHERE day = '2026-03-02'", "DAY_CUT", SECOND),
    "head": ("DELETE FROM audit_heads", "HEAD_MISSING", THIRD),
    "head-lines": ("UPDATE audit_heads SET line_count = 4", "SIGNATURE_WRONG", SECOND),
    "signature": ("UPDATE audit_heads SET signature = 'mine'", "SIGNATURE_WRONG", SECOND),
    "deletion": ("UPDATE audit_heads SET lines_deleted_at = '2026-03-04'", "LINES_DELETED_EARLY", SECOND),
}


@pytest.mark.parametrize("name", list(TAMPERINGS))
async def test_every_change_behind_the_back_of_the_service_is_found(admin: RunningService, sql_url: str, name: str) -> None:
    statement, code, day = TAMPERINGS[name]
    await publish_two_days(admin)
    await execute_without_triggers(sql_url, statement)
    faults = await strict_faults(sql_url)
    assert (ChainFaultCode[code], day) in {(fault_code, fault_day) for fault_code, fault_day, _ in faults}, faults


async def strict_faults(url: str) -> list[tuple[ChainFaultCode, date, int | None]]:
    """Return the faults; a signature is right if it is that of the head as it was signed, with five lines."""
    async with Database(url) as database:
        store = SqlAdminStore(database, lambda: NOON)
        verification = AuditVerification(store, lambda head: (head.signature, head.lines) == (f"signed {head.day}", 5))
        return [(fault.code, fault.day, fault.position) async for fault in verification.list_faults()]


async def execute_without_triggers(url: str, statement: str) -> None:
    async with Database(url) as database, database.write() as connection:
        if database.is_sqlite:
            for name in await connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
                await connection.execute(text(f"DROP TRIGGER {name}"))
        await connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_lines SET action = 'profile.read'",
        "DELETE FROM audit_lines",
        "DELETE FROM audit_heads",
        "UPDATE audit_heads SET line_count = 1",
        "UPDATE audit_heads SET signature = 'another'",
        "UPDATE audit_heads SET lines_deleted_at = NULL, signature = NULL",
    ],
    ids=["change-line", "delete-line", "delete-head", "change-head", "sign-again", "unsign"],
)
async def test_sqlite_itself_refuses_to_change_or_delete_lines_and_heads(tmp_path: Path, statement: str) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'admin_svc.db'}"
    async with run_service("admin_svc", tmp_path, sign_heads, database_url=url) as service:
        await publish_two_days(service)
        async with Database(url) as database:
            with pytest.raises(IntegrityError, match="audit trail"):
                async with database.write() as connection:
                    await connection.execute(text(statement))
    assert await list_faults(url) == []


async def test_lines_of_an_earlier_release_are_chained_in_the_order_in_which_they_were_recorded(sql_url: str) -> None:
    command.upgrade(alembic_config("admin_svc", sql_url), "0007")
    line = an_audit_event().model_dump(exclude={"before", "after", "occurred_at"}) | {"at": NOON}
    rows = [line | {"id": new_id(), "recorded_at": NOON + timedelta(hours=number, microseconds=number)} for number in range(0, 60, 12)]
    async with Database(sql_url) as database:
        async with database.write() as connection:
            await connection.execute(insert(AUDIT_LINES), list(reversed(rows)))
        migrate("admin_svc", sql_url)
        store = SqlAdminStore(database, lambda: NOON)
        assert [(head.day, head.lines) for head in await store.list_heads(9, None)] == [(date(2026, 3, 3), 2), (date(2026, 3, 2), 1)]
        assert [line.id for line in await store.list_day_lines(date(2026, 3, 4), 0, 9)] == [row["id"] for row in rows[3:]]
        assert await list_faults(sql_url) == []
        await AuditTrail(store, lambda: NOON + timedelta(days=2, hours=1)).append(an_audit_event())
        assert (await store.get_chain_end()).lines == 3
    assert await list_faults(sql_url) == []
