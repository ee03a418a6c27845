"""How many rows a search for patients reads in MariaDB: as many among thousands of patients as among a few hundred."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from patient_svc.domain.identifiers import Identifier
from patient_svc.domain.patients import Patient
from patient_svc.domain.search import PatientQuery
from patient_svc.domain.search_keys import SEARCH_VERSION, search_keys
from patient_svc.repository.patients import patient_to_row
from patient_svc.repository.search import SearchReads
from patient_svc.repository.tables import PATIENTS, SEARCH_KEYS, VISITS
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON

FEW, MANY, VISITS_EACH = 300, 3000, 10
SEARCHES = ["4567", "0044567", "+49 30 0044567", "mia4", "mia4 lee", "lee mia", "1990-01-05", "mia4 1990-01-05", "A00000004", "lee 4567"]


class CountedSearch(SearchReads):
    """The search on a database, which counts the rows that a search has read."""

    def __init__(self, database: Database) -> None:
        self.opened, self.rows = database, 0
        self.database = SimpleNamespace(read=self.read)  # type: ignore[assignment]

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self.opened.read() as connection:
            before = await rows_read(connection)
            yield connection
            self.rows = await rows_read(connection) - before

    async def count(self, text: str) -> tuple[int, int]:
        """Return how many patients match a text, and how many rows were read to find them."""
        return len((await self.find_matches(PatientQuery.parse(text), [])).matches), self.rows


async def rows_read(connection: AsyncConnection) -> int:
    """Return how many rows the session has read so far, by an index or without one."""
    return sum(int(row[1]) for row in await connection.execute(sa.text("SHOW SESSION STATUS LIKE 'Handler_read%'")))


def patients_from(first: int, stop: int) -> Iterator[Patient]:
    """Yield patients with different names, days and numbers. Those up to FEW have names and numbers that no others have."""
    for number in range(first, stop):
        name, end = (f"Mia{number} Lee", 4567) if number < 10 else (f"Ann{number} Roe{number % 97}", 1000 + number % 3000)
        born_on = date(1990 if number < FEW else 1950, 1, 1) + timedelta(days=number % 300)
        phone, identifier = f"+49 30 {number:03}{end}", Identifier("urn:oid:1.2", f"A{number:08}")
        yield Patient(UUID(int=number), name, None, None, phone, born_on=born_on, identifiers=(identifier,))


async def insert_patients(database: Database, first: int, stop: int) -> None:
    """Insert patients with their keys and visits."""
    patients = list(patients_from(first, stop))
    keys = [{"kind": key.kind, "key": key.key, "patient_id": patient.id} for patient in patients for key in search_keys(patient)]
    visit = {"doctor_id": UUID(int=2), "treats": True, "version": 1, "starts_at": NOON, "ends_at": NOON}
    visits = [
        visit | {"patient_id": patient.id, "appointment_id": UUID(int=patient.id.int * VISITS_EACH + number)}
        for patient in patients
        for number in range(VISITS_EACH)
    ]
    async with database.write() as connection:
        for table, rows in ((PATIENTS, [patient_to_row(patient) for patient in patients]), (SEARCH_KEYS, keys), (VISITS, visits)):
            for start in range(0, len(rows), 2000):
                await connection.execute(sa.insert(table), rows[start : start + 2000])
        await connection.execute(sa.text("ANALYZE TABLE patients, search_keys, visits"))


@pytest.mark.needs_servers("MYSQL")
async def test_a_search_reads_no_more_rows_among_ten_times_as_many_patients(mysql_url: str) -> None:
    migrate("patient_svc", mysql_url)
    async with Database(mysql_url) as database:
        search = CountedSearch(database)
        await insert_patients(database, 0, FEW)
        few = {text: await search.count(text) for text in SEARCHES}
        await insert_patients(database, FEW, MANY)
        many = {text: await search.count(text) for text in SEARCHES}

        assert {text: found for text, (found, _) in many.items()} == {text: found for text, (found, _) in few.items()}
        assert all(many[text][1] <= few[text][1] for text in SEARCHES), (few, many)
        assert all(0 < found <= 10 and rows <= 20 + 5 * found for found, rows in many.values()), str(many)


def test_no_patient_of_the_test_lacks_the_keys_of_today() -> None:
    assert patient_to_row(next(patients_from(0, 1)))["search_version"] == SEARCH_VERSION
