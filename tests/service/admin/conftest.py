"""admin-service over ASGI with its neighbours played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import Running
from tests.service.admin.clinic import Clinic, administration


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Running, Clinic]]:
    async with administration(tmp_path) as pair:
        yield pair


@pytest.fixture
def here(both: tuple[Running, Clinic]) -> Running:
    return both[0]


@pytest.fixture
def clinic(both: tuple[Running, Clinic]) -> Clinic:
    return both[1]
