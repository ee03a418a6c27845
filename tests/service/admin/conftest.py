"""admin-service over ASGI with its neighbours played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import RunningService
from tests.service.admin.clinic import Clinic, administration


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[RunningService, Clinic]]:
    async with administration(tmp_path) as pair:
        yield pair


@pytest.fixture
def here(both: tuple[RunningService, Clinic]) -> RunningService:
    return both[0]


@pytest.fixture
def clinic(both: tuple[RunningService, Clinic]) -> Clinic:
    return both[1]
