"""The auditor reads the audit trail of admin-service and the heads that auth-service has signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import insert, text

from admin_svc.repository import SqlAdminStore
from admin_svc.repository.tables import AUDIT_HEADS
from admin_svc.usecases.audit import AuditTrail
from auth_svc.repository.tables import SIGNED_AUDIT_HEADS
from careslot.auditor.checks.audit import TRAIL, AuditTrailCheck
from careslot.auditor.repairs import CODES
from careslot.auditor.sql_store import SqlStore, open_engine
from careslot.auditor.stores import Stores
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Role, Service
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON

PACKAGES = {Service.ADMIN: "admin_svc", Service.AUTH: "auth_svc"}


class RecordedTrail:
    """A trail of two days with three lines each; the first day was closed and its head signed."""

    def __init__(self, folder: Path) -> None:
        self.urls = {service: f"sqlite+aiosqlite:///{folder / package}.db" for service, package in PACKAGES.items()}

    async def record(self) -> None:
        for service, package in PACKAGES.items():
            migrate(package, self.urls[service])
        async with Database(self.urls[Service.ADMIN]) as database:
            for hours in (0, 1, 2, 24, 25, 26):
                now = NOON + timedelta(hours=hours)
                trail = AuditTrail(SqlAdminStore(database, lambda now=now: now), lambda now=now: now)  # type: ignore[misc]
                await trail.append(an_event(now))
                if hours == 2:
                    await self._sign_head(database)

    async def _sign_head(self, database: Database) -> None:
        store = SqlAdminStore(database, lambda: NOON)
        async with store.begin() as tx:
            end = await tx.lock_chain_end()
            head = end.head(NOON)
            await tx.insert_head(head)
            await tx.save_chain_end(end.close())
        row = {"day": head.day, "line_count": head.lines, "hash": head.hash, "previous_hash": head.previous_hash}
        row |= {"key_id": "one", "signature": "signed", "signed_at": NOON}
        async with Database(self.urls[Service.AUTH]) as auth, auth.write() as connection:
            await connection.execute(insert(SIGNED_AUDIT_HEADS), row)
        await self.change("UPDATE audit_heads SET key_id = 'one', signature = 'signed', signed_at = closed_at")

    async def change(self, statement: str) -> None:
        """Run a statement in the database of admin-service, as somebody with all rights."""
        async with Database(self.urls[Service.ADMIN]) as database, database.write() as connection:
            for (name,) in (await connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))).all():
                await connection.execute(text(f"DROP TRIGGER {name}"))
            await connection.execute(text(statement))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Stores]:
        engines = {service: open_engine(url) for service, url in self.urls.items()}
        try:
            stores = {service: SqlStore(engine) for service, engine in engines.items()}
            yield Stores(stores, cast(Any, None), None, lambda: NOON + timedelta(days=2))
        finally:
            for engine in engines.values():
                await engine.dispose()

    async def codes(self) -> list[str]:
        async with self.open() as stores:
            return sorted(finding.code for finding in await AuditTrailCheck().examine(stores, [TRAIL]))


def an_event(now: Any) -> AuditRecorded:
    return AuditRecorded(
        id=uuid4(),
        occurred_at=now,
        actor_id=uuid4(),
        actor_role=Role.ADMIN,
        action="profile.read",
        subject_id=uuid4(),
        relation="admin",
        outcome="done",
        source=Service.PATIENT,
    )


@pytest.fixture
async def trail(tmp_path: Path) -> RecordedTrail:
    recorded = RecordedTrail(tmp_path)
    await recorded.record()
    return recorded


async def test_a_trail_that_nobody_has_changed_is_whole(trail: RecordedTrail) -> None:
    assert await trail.codes() == []


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE audit_lines SET outcome = 'refused' WHERE position = 2 AND day = '2026-03-02'", "audit_line_changed"),
        ("UPDATE audit_lines SET action = 'x' WHERE position = 1 AND day = '2026-03-03'", "audit_line_changed"),
        ("DELETE FROM audit_lines WHERE position = 2 AND day = '2026-03-03'", "audit_lines_missing"),
        ("DELETE FROM audit_lines WHERE position = 3 AND day = '2026-03-02'", "audit_day_cut"),
        ("UPDATE audit_heads SET signature = 'forged'", "audit_signature_wrong"),
        (f"DELETE FROM {AUDIT_HEADS.name}", "audit_head_missing"),
    ],
    ids=["an old line", "a new line", "a line is gone", "the end of a day is gone", "a forged signature", "a head is gone"],
)
async def test_what_was_done_to_the_trail_is_found(trail: RecordedTrail, statement: str, code: str) -> None:
    await trail.change(statement)
    assert code in await trail.codes()
    assert set(await trail.codes()) <= CODES.keys()
