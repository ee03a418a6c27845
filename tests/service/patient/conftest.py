"""A running patient-service with the profile of one patient."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import RunningService
from tests.service.patient.running_patient import run_patient_service


@pytest.fixture
async def patients(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB."""
    async with run_patient_service(tmp_path, database_url=sql_url) as service:
        yield service
