"""appointment-service over ASGI, with fakes of the services it calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.appointment.clinic import RunningClinic, a_clinic


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningClinic]:
    async with a_clinic(tmp_path) as clinic:
        yield clinic
