"""The clinic's settings in SQL: one row for each version, and the newest counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, insert, select

from admin_svc.domain.clinic_settings import SettingChange, SettingsVersion
from admin_svc.repository.tables import CLINIC_SETTINGS
from shared.contracts.clinic import ClinicSettings
from shared.contracts.refusals import Stale
from shared.kit.cursors import parse_sort_key
from shared.kit.outbox import SqlTransaction
from shared.kit.sql import Database, insert_if_absent

COLUMNS = CLINIC_SETTINGS.c
INSERT_VERSION = insert(CLINIC_SETTINGS)


def version_from_row(row: Any) -> SettingsVersion:
    """Return the version of a row of CLINIC_SETTINGS."""
    changes = tuple(SettingChange(**change) for change in json.loads(row.changes))
    return SettingsVersion(row.version, json.loads(row.settings), row.id, row.changed_at, row.changed_by, changes)


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


class ClinicSettingsWrites(SqlTransaction):
    """The part of SqlAdminTransaction with the clinic's settings."""

    async def find_settings(self) -> SettingsVersion:
        row = (await self.connection.execute(newest_version())).first()
        return SettingsVersion() if row is None else version_from_row(row)

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

    async def read_settings(self) -> SettingsVersion:
        async with self.database.read() as connection:
            row = (await connection.execute(newest_version())).first()
        return SettingsVersion() if row is None else version_from_row(row)

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

    database: Database

    async def read(self) -> ClinicSettings | None:
        async with self.database.read() as connection:
            row = (await connection.execute(newest_version())).first()
        return None if row is None else version_from_row(row).settings

    async def store(self, settings: ClinicSettings) -> None:
        """Nothing is to be stored."""
