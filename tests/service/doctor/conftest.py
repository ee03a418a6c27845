"""A practice for every test: on SQLite, or on every SQL back end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.doctor.practice import Practice, practice


@pytest.fixture
async def doctors(tmp_path: Path) -> AsyncIterator[Practice]:
    async with practice(tmp_path) as here:
        yield here


@pytest.fixture
async def anywhere(tmp_path: Path, sql_url: str) -> AsyncIterator[Practice]:
    async with practice(tmp_path, database_url=sql_url) as here:
        yield here
