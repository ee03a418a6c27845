"""notification-service with its neighbours and a mailbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.running import RunningService, run_service
from tests.service.notify.post import Neighbours, Recorder


@pytest.fixture
def mailbox() -> Recorder:
    return Recorder()


@pytest.fixture
def neighbours() -> Neighbours:
    return Neighbours()


@pytest.fixture
async def notify(tmp_path: Path, mailbox: Recorder, neighbours: Neighbours) -> AsyncIterator[RunningService]:
    async with run_service("notify_svc", tmp_path, neighbours, mailbox=mailbox, mail_url="file:unused") as here:
        yield here
