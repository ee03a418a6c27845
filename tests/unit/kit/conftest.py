"""The shoe shop, open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.kit.shop import Shop, build_app, shop


@pytest.fixture
async def here() -> AsyncIterator[Shop]:
    async with shop() as opened:
        yield opened


@pytest.fixture
async def new_shop() -> AsyncIterator[Shop]:
    """A shop whose app is used by one test only, for tests of its metrics and its health checks."""
    async with shop(app=build_app()) as opened:
        yield opened
