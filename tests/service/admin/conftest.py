"""Fixtures: a running admin-service, and fakes of the services that it calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import RunningService, run_service
from tests.service.admin.fake_services import FakeServices


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
async def admin(tmp_path: Path, services: FakeServices) -> AsyncIterator[RunningService]:
    async with run_service("admin_svc", tmp_path, services) as admin:
        yield admin
