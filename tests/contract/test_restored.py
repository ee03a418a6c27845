"""What becomes of messages, deliveries and sessions in restored databases, and reading a database without any right to write."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import OperationalError

from admin_svc.domain.import_files import read_file
from admin_svc.domain.imports import Import, ImportKind, RowStatus
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.row_encryption import AesRowEncryption
from admin_svc.repository.tables import IMPORT_ROWS
from admin_svc.usecases.imports import stored_row
from admin_svc.wiring import stop_imports
from auth_svc.repository.tables import REFRESH_TOKENS, SESSIONS
from auth_svc.wiring import end_all_sessions
from careslot.auditor.sql_store import SqlStore, open_engine
from careslot.backup.restore import RestoreSummary, repeat_erasures
from notify_svc.domain.messages import MessageStatus
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.tables import MESSAGES, WEBHOOK_DELIVERIES
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.wiring import withhold_unsent
from patient_svc.repository.tables import GUARDIANS, PATIENTS
from patient_svc.repository.tables import INFRASTRUCTURE as PATIENT_INFRASTRUCTURE
from patient_svc.settings import PatientSettings
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON, RECORD_KEYS
from tests.unit.notify.builders import a_message, an_event
from tests.unit.notify.test_webhook_deliveries import a_webhook

LATER = NOON + timedelta(days=1)


async def test_what_a_backup_had_still_to_send_is_withheld_and_what_was_sent_stays(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        store = SqlNotificationStore(database, lambda: NOON)
        async with store.begin() as tx:
            await tx.insert_webhook(a_webhook())
        await MessageQueue(store, lambda: NOON, lambda: None, lambda: None).enqueue_appointment(an_event(version=1, event_number=1))
        queued = a_message()
        sending = replace(queued.start_sending("one", NOON), id=uuid4(), event_id=uuid4())
        sent = replace(queued.start_sending("one", NOON).mark_sent(NOON), id=uuid4(), event_id=uuid4())
        async with store.begin() as tx:
            await tx.insert_messages_of_event([sending])
            await tx.insert_messages_of_event([sent])
    assert await withhold_unsent(sql_url, lambda: LATER) == (3, 1)
    assert await withhold_unsent(sql_url, lambda: LATER) == (0, 0)
    async with Database(sql_url) as database, database.read() as connection:
        columns = (MESSAGES.c.id, MESSAGES.c.status, MESSAGES.c.problem, MESSAGES.c.holder, MESSAGES.c.attempt_log)
        rows = {row.id: row for row in await connection.execute(select(*columns))}
        deliveries = (await connection.execute(select(WEBHOOK_DELIVERIES.c.status, WEBHOOK_DELIVERIES.c.problem))).all()
    assert rows.pop(sent.id).status == MessageStatus.SENT
    assert {(row.status, row.problem, row.holder) for row in rows.values()} == {("unknown", "restored", None)}
    assert {tuple(row.attempt_log[-1]) for row in rows.values()} == {("2026-03-03T12:00:00Z", "unknown", "restored")}
    assert [tuple(row) for row in deliveries] == [("failed", "interrupted")]


async def test_all_sessions_of_a_restored_database_have_ended(sql_url: str) -> None:
    migrate("auth_svc", sql_url)
    account, expires = UUID(int=1), NOON + timedelta(days=30)
    times = {"created_at": NOON, "last_used_at": NOON, "expires_at": expires}
    rows = [{"id": uuid4(), "account_id": account, **times} for _ in range(3)]
    async with Database(sql_url) as database, database.write() as connection:
        await connection.execute(insert(SESSIONS), rows)
        token = {"token_hash": "x", "session_id": rows[0]["id"], "used": False, "expires_at": expires}
        await connection.execute(insert(REFRESH_TOKENS), token)
    assert await end_all_sessions(sql_url, lambda: LATER) == 3
    async with Database(sql_url) as database, database.read() as connection:
        sessions = (await connection.execute(select(SESSIONS.c.ended_at, SESSIONS.c.end_number))).all()
        assert {row.ended_at for row in sessions} == {LATER}
        assert sorted(row.end_number for row in sessions) == [1, 2, 3]
        assert (await connection.execute(select(REFRESH_TOKENS))).all() == []


async def test_imports_of_a_restored_database_have_stopped_and_nothing_is_left_of_their_rows(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    by, encryption = Actor(id=UUID(int=1), role=Role.ADMIN), AesRowEncryption("k" * 40)
    imported = Import(uuid4(), ImportKind.PATIENTS, dry_run=False, by=by, created_at=NOON)
    rows = [stored_row(imported.id, row, encryption) for row in read_file("patients", b"full_name,phone\nMina Park,1\nBo Lind,2\nx\n")]
    async with Database(sql_url) as database:
        store = SqlAdminStore(database, lambda: NOON)
        async with store.begin() as tx:
            await tx.insert_import(imported, rows)
            await tx.mark_creating(imported.id, [2])
        assert [await stop_imports(sql_url, lambda: LATER) for _ in range(2)] == [2, 0]
        progress = await store.find_progress(imported.id)
        assert progress is not None
        assert (progress.status, progress.imported.finished_at, progress.counts) == ("done", LATER, {RowStatus.FAILED: 3})
        outcomes = await store.list_outcomes(imported.id, None, 10, None)
        assert [outcome.refusal and outcome.refusal.code for outcome in outcomes] == ["restored", "restored", "wrong_number_of_cells"]
        async with database.read() as connection:
            assert set(await connection.scalars(select(IMPORT_ROWS.c.fields))) == {None}


async def test_the_auditor_cannot_write(sql_url: str) -> None:
    migrate("auth_svc", sql_url)
    engine = open_engine(sql_url)
    try:
        store = SqlStore(engine)
        assert await store.fetch(select(SESSIONS.c.id)) == []
        with pytest.raises(OperationalError):
            async with store.snapshot() as connection:
                await connection.execute(text("DELETE FROM sessions"))
    finally:
        await engine.dispose()


async def test_erasures_are_repeated_in_restored_data_and_unknown_patients_are_left_out(sql_url: str) -> None:
    migrate("patient_svc", sql_url)
    values: dict[str, Any] = {"database_url": sql_url, "client_secret": "x" * 40, "env": "test", "record_keys": RECORD_KEYS}
    settings = PatientSettings(**values)
    known, unknown, guardian, child = (uuid4() for _ in range(4))
    profile = {"full_name": "Mina Park", "active": True, "has_account": True, "account_version": 1, "version": 1}
    profile |= {"preferences_version": 1, "reminders_consent": True, "search_version": 0}
    async with Database(sql_url) as database, database.write() as connection:
        for patient_id, has_account in ((known, True), (guardian, True), (child, False)):
            await connection.execute(insert(PATIENTS), profile | {"id": patient_id, "has_account": has_account})
        await connection.execute(insert(GUARDIANS), {"guardian_id": guardian, "dependant_id": child})
    for erased in (1, 0):
        summary = RestoreSummary("")
        await repeat_erasures(settings, [unknown, known, guardian], summary)
        assert (summary.erased, summary.failed) == (erased, [f"{guardian}: has_dependants"])
    async with Database(sql_url) as database, database.read() as connection:
        left = set(await connection.scalars(select(PATIENTS.c.id)))
        topics = list(await connection.scalars(select(PATIENT_INFRASTRUCTURE.outbox.c.topic)))
    assert left == {guardian, child}
    assert topics.count("patient.erased.v1") == 1


@pytest.mark.needs_servers("MYSQL")
@pytest.mark.parametrize("package", ["auth_svc", "notify_svc", "admin_svc"])
def test_the_statements_of_the_page_about_backups_run(mysql_url: str, package: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "backup.md").read_text()
    statements = re.findall(r"(?:UPDATE|DELETE FROM) (\w+)[^;`]*(?=;)", page)
    assert sorted(statements) == ["import_rows", "imports", "messages", "outbox", "refresh_tokens", "sessions", "webhook_deliveries"]
    migrate(package, mysql_url)
    engine = create_engine(mysql_url.replace("mysql+aiomysql", "mysql+pymysql"))
    try:
        with engine.begin() as connection:
            tables = {row[0] for row in connection.execute(text("SHOW TABLES"))}
            run = [match for match in re.finditer(r"(?:UPDATE|DELETE FROM) (\w+)[^;`]*(?=;)", page) if match[1] in tables]
            for match in run:
                connection.execute(text(match[0].replace(":", "\\:")))
    finally:
        engine.dispose()
    assert len(run) == 3
