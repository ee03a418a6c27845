"""Fixtures: a running doctor-service, on SQLite or on each SQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.doctor.running_doctor import RunningDoctor, run_doctor_service


@pytest.fixture
async def doctors(tmp_path: Path) -> AsyncIterator[RunningDoctor]:
    async with run_doctor_service(tmp_path) as service:
        yield service


@pytest.fixture
async def doctors_on_sql(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningDoctor]:
    """doctor-service on each SQL database, for what depends on the database."""
    async with run_doctor_service(tmp_path, database_url=sql_url) as service:
        yield service
