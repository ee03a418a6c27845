"""A house with auth-service in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.auth.house import House, opened


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """The folder of another instance."""
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as one:
        yield one
