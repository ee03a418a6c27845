"""What doctors decide about their mails, in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.domain.doctor_preferences import DoctorPreferences
from notify_svc.repository.tables import DOCTOR_PREFERENCES
from shared.kit.sql import Database, insert_if_absent


@dataclass(frozen=True, slots=True)
class SqlDoctorPreferencesTransaction:
    """Implements DoctorPreferencesTransaction."""

    connection: AsyncConnection

    async def lock_doctor_preferences(self, doctor_id: UUID, now: datetime) -> DoctorPreferences:
        """Insert the row where it is missing, so that there is one to lock."""
        default = DoctorPreferences.default(doctor_id, now)
        await insert_if_absent(self.connection, insert(DOCTOR_PREFERENCES).values(asdict(default)))
        query = select(DOCTOR_PREFERENCES).where(DOCTOR_PREFERENCES.c.doctor_id == doctor_id).with_for_update()
        return DoctorPreferences(**(await self.connection.execute(query)).one()._mapping)

    async def save_doctor_preferences(self, preferences: DoctorPreferences) -> None:
        is_this = DOCTOR_PREFERENCES.c.doctor_id == preferences.doctor_id
        await self.connection.execute(update(DOCTOR_PREFERENCES).where(is_this).values(asdict(preferences)))


@dataclass(frozen=True, slots=True)
class SqlDoctorPreferencesStore:
    """Implements DoctorPreferencesStore."""

    database: Database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlDoctorPreferencesTransaction]:
        async with self.database.write() as connection:
            yield SqlDoctorPreferencesTransaction(connection)

    async def find_doctor_preferences(self, doctor_id: UUID) -> DoctorPreferences | None:
        query = select(DOCTOR_PREFERENCES).where(DOCTOR_PREFERENCES.c.doctor_id == doctor_id)
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return DoctorPreferences(**row._mapping) if row else None
