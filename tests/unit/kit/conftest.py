"""The shoe shop, open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.kit.shop import Shop, shop


@pytest.fixture
async def here() -> AsyncIterator[Shop]:
    async with shop() as opened:
        yield opened
