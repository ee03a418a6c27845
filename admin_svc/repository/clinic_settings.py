"""The clinic's settings in SQL: one row for each version, and the newest counts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.clinic_settings import FormerRetention, SettingChange, SettingsVersion
from admin_svc.repository.tables import CLINIC_SETTINGS
from shared.contracts.clinic import ClinicSettings, RetentionPeriods
from shared.contracts.refusals import Stale
from shared.kit.cursors import parse_sort_key
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent

COLUMNS = CLINIC_SETTINGS.c
INSERT_VERSION = insert(CLINIC_SETTINGS)
MAX_RECENT_CHANGES = 1000


def version_from_row(row: Any) -> SettingsVersion:
    """Return the version of a row of CLINIC_SETTINGS."""
    changes = tuple(SettingChange(**change) for change in json.loads(row.changes))
    former = former_retention_from_row(row)
    return SettingsVersion(row.version, json.loads(row.settings), row.id, row.changed_at, row.changed_by, changes, former)


def former_retention_from_row(row: Any) -> tuple[FormerRetention, ...]:
    """Return the periods that the change of a row has replaced, none if it has not changed them."""
    replaced = [change["before"] for change in json.loads(row.changes) if change["field"] == "retention"]
    return tuple(FormerRetention(RetentionPeriods.model_validate(before or {}), row.changed_at) for before in replaced)


def row_of_version(settings: SettingsVersion) -> dict[str, Any]:
    """Return the row of a version."""
    return {
        "version": settings.version,
        "settings": json.dumps(dict(settings.set_values)),
        "id": settings.id,
        "changed_at": settings.changed_at,
        "changed_by": settings.changed_by,
        "changes": json.dumps([asdict(change) for change in settings.changes]),
    }


def newest_version() -> Select[Any]:
    """Return the query of the current version."""
    return select(CLINIC_SETTINGS).order_by(COLUMNS.version.desc()).limit(1)


async def find_current(connection: AsyncConnection, changed_since: datetime) -> SettingsVersion:
    """Return the current version, with the periods of retention that changes since an instant have replaced."""
    row = (await connection.execute(newest_version())).first()
    if row is None:
        return SettingsVersion()
    recent = select(COLUMNS.changes, COLUMNS.changed_at).where(COLUMNS.changed_at > changed_since)
    changes = await connection.execute(recent.order_by(COLUMNS.version.desc()).limit(MAX_RECENT_CHANGES))
    former = [former for change in changes for former in former_retention_from_row(change)]
    return replace(version_from_row(row), former_retention=tuple(former))


class ClinicSettingsWrites(SqlTransaction):
    """The part of SqlAdminTransaction with the clinic's settings."""

    async def find_settings(self, changed_since: datetime) -> SettingsVersion:
        return await find_current(self.connection, changed_since)

    async def find_settings_change(self, change_id: UUID) -> SettingsVersion | None:
        row = (await self.connection.execute(select(CLINIC_SETTINGS).where(COLUMNS.id == change_id))).first()
        return None if row is None else version_from_row(row)

    async def insert_settings(self, settings: SettingsVersion) -> None:
        """The primary key decides which of two requests makes the next version."""
        if not await insert_if_absent(self.connection, INSERT_VERSION, row_of_version(settings)):
            raise Stale(version=settings.version)


class ClinicSettingsReads:
    """The part of SqlAdminStore that reads the clinic's settings."""

    __slots__ = ()
    database: Database

    async def read_settings(self, changed_since: datetime) -> SettingsVersion:
        async with self.database.read() as connection:
            return await find_current(connection, changed_since)

    async def list_settings(self, limit: int, after: tuple[str, ...] | None) -> Sequence[SettingsVersion]:
        query = select(CLINIC_SETTINGS).order_by(COLUMNS.version.desc()).limit(limit)
        if after is not None:
            (version,) = parse_sort_key(after, int)
            query = query.where(COLUMNS.version < min(version, 2**31 - 1))
        async with self.database.read() as connection:
            return [version_from_row(row) for row in await connection.execute(query)]


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """Implements SettingsCopy for admin-service, which has the settings themselves and needs no copy."""

    fetch: Callable[[], Awaitable[ClinicSettings]]

    async def read(self) -> ClinicSettings | None:
        return await self.fetch()

    async def store(self, settings: ClinicSettings) -> None:
        """Nothing is to be stored."""
