"""Templates that an admin has overridden, in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update

from notify_svc.domain.templates import MailText, TemplateOverride
from notify_svc.repository.tables import INFRASTRUCTURE, TEMPLATE_OVERRIDES
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent

COLUMNS = TEMPLATE_OVERRIDES.c


def _override_from_row(row: Any) -> TemplateOverride:
    content = MailText(row.subject, row.text) if row.subject is not None else None
    return TemplateOverride(row.kind, row.locale, content, row.changes)


class SqlTemplateTransaction(SqlTransaction):
    """Implements TemplateTransaction."""

    async def lock_override(self, kind: str, locale: str) -> TemplateOverride:
        """Insert the row where it is missing, so that there is one to lock."""
        await insert_if_absent(self.connection, insert(TEMPLATE_OVERRIDES).values(kind=kind, locale=locale, changes=0))
        query = select(TEMPLATE_OVERRIDES).where(COLUMNS.kind == kind, COLUMNS.locale == locale).with_for_update()
        return _override_from_row((await self.connection.execute(query)).one())

    async def save_override(self, override: TemplateOverride) -> None:
        content = override.content
        values = {"subject": content and content.subject, "text": content and content.text, "changes": override.changes}
        is_this = (COLUMNS.kind == override.kind) & (COLUMNS.locale == override.locale)
        await self.connection.execute(update(TEMPLATE_OVERRIDES).where(is_this).values(values))


@dataclass(frozen=True, slots=True)
class SqlTemplateStore:
    """Implements TemplateStore."""

    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlTemplateTransaction]:
        async with self.database.write() as connection:
            yield SqlTemplateTransaction(connection, INFRASTRUCTURE, Service.NOTIFICATION, self.now)

    async def find_override(self, kind: str, locale: str) -> TemplateOverride | None:
        query = select(TEMPLATE_OVERRIDES).where(COLUMNS.kind == kind, COLUMNS.locale == locale)
        async with self.database.read() as connection:
            row = (await connection.execute(query)).first()
        return _override_from_row(row) if row is not None else None

    async def list_overrides(self) -> list[TemplateOverride]:
        async with self.database.read() as connection:
            return [_override_from_row(row) for row in await connection.execute(select(TEMPLATE_OVERRIDES))]

    async def count_changes(self) -> int:
        async with self.database.read() as connection:
            return int(await connection.scalar(select(func.coalesce(func.sum(COLUMNS.changes), 0))) or 0)
