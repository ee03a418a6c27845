"""The copy of the clinic's settings in a SQL database: one row."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, update

from shared.contracts.clinic import ClinicSettings
from shared.kit.sql import Database, MediumText, insert_if_absent

ONLY_ROW = 1


def clinic_settings_table(metadata: MetaData) -> Table:
    """Add the table to a service's metadata and return it. The migrations create it with `shared.kit.migrations.v4`."""
    return Table(
        "clinic_settings_copy",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("settings", MediumText, nullable=False),
    )


@dataclass(frozen=True, slots=True)
class SqlSettingsCopy:
    """Implements SettingsCopy."""

    database: Database
    table: Table

    async def read(self) -> ClinicSettings | None:
        query = select(self.table.c.settings).where(self.table.c.id == ONLY_ROW)
        async with self.database.read() as connection:
            text = await connection.scalar(query)
        try:
            return None if text is None else ClinicSettings.model_validate_json(text)
        except ValidationError:  # written by a newer release; the settings are fetched again soon
            return None

    async def store(self, settings: ClinicSettings) -> None:
        text = settings.model_dump_json()
        async with self.database.write() as connection:
            if not await insert_if_absent(connection, insert(self.table).values(id=ONLY_ROW, settings=text)):
                await connection.execute(update(self.table).where(self.table.c.id == ONLY_ROW).values(settings=text))
