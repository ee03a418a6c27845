"""Fixtures: a running notification-service, fakes of the services that it calls, and a mailbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import RunningService, run_service
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox


@pytest.fixture
def mailbox() -> MemoryMailbox:
    return MemoryMailbox()


@pytest.fixture
def services() -> FakeContactServices:
    return FakeContactServices()


@pytest.fixture
async def notify(tmp_path: Path, mailbox: MemoryMailbox, services: FakeContactServices) -> AsyncIterator[RunningService]:
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, mail_url="file:unused") as service:
        yield service
