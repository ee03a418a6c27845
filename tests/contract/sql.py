"""A database with the infrastructure tables and one table of numbers, on any SQL server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Column, Integer, MetaData, Table

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Database, binary_string

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
NUMBERS = Table("numbers", METADATA, Column("name", binary_string(64), primary_key=True), Column("value", Integer, nullable=False))


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as database:
        async with database.write() as connection:
            await connection.run_sync(METADATA.create_all)
        yield database
