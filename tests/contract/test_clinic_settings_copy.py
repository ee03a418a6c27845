"""The copy of the clinic's settings in the databases of the services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appointment_svc.repository.clinic_settings import DocumentSettingsCopy
from doctor_svc.repository.tables import CLINIC_SETTINGS
from shared.contracts.clinic import ClinicSettings, RetentionPeriods
from shared.kit.clinic_settings import SettingsCopy
from shared.kit.clock import MovableClock
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from shared.kit.sql_clinic_settings import SqlSettingsCopy
from tests.contract.test_appointment_store import Backend, mongo, sqlite
from tests.running import NOON

FIRST = ClinicSettings(name="Praxis", languages=["de"], retention=RetentionPeriods(records_years=15), version=2)
SECOND = ClinicSettings(name="Other", reminder_offsets_minutes=[60], has_logo=True, version=3)


async def check_copy(copy: SettingsCopy) -> None:
    """Store settings twice: the last ones count as a whole."""
    assert await copy.read() is None
    await copy.store(FIRST)
    assert await copy.read() == FIRST
    await copy.store(SECOND)
    assert await copy.read() == SECOND, "nothing of the settings before is left"


async def test_a_sql_database_keeps_the_last_settings(sql_url: str) -> None:
    migrate("doctor_svc", sql_url)
    async with Database(sql_url) as database:
        await check_copy(SqlSettingsCopy(database, CLINIC_SETTINGS))


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    clock = MovableClock(NOON, running=False)
    opened = sqlite(tmp_path, clock) if request.param == "sqlite" else mongo(request.getfixturevalue("mongo_url"), clock)
    async with opened as backend:
        yield backend


async def test_a_database_of_documents_keeps_the_last_settings(documents: Backend) -> None:
    await check_copy(DocumentSettingsCopy(documents.store.documents))
