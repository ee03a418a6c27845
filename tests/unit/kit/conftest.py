"""Fixtures: the shop app, running."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.kit.shop import Shop, build_app, open_shop


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as running_shop:
        yield running_shop


@pytest.fixture
async def new_shop() -> AsyncIterator[Shop]:
    """A shop whose app is used by one test only, for tests of its metrics and its health checks."""
    async with open_shop(app=build_app()) as running_shop:
        yield running_shop
