"""Fixtures: a running auth-service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.auth.running_auth import RunningAuth, run_auth_service


@pytest.fixture
def second_folder(tmp_path: Path) -> Path:
    """The folder of a second instance."""
    folder = tmp_path / "second"
    folder.mkdir()
    return folder


@pytest.fixture
async def auth(tmp_path: Path) -> AsyncIterator[RunningAuth]:
    async with run_auth_service(tmp_path) as auth:
        yield auth
