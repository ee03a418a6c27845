"""The stores of services wake their relays after commits with events, and only then: each run of a relay reads the outbox."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from auth_svc.repository import SqlAuthStore
from doctor_svc.repository import SqlDoctorStore
from patient_svc.repository import SqlPatientStore
from patient_svc.repository.record_cipher import RecordKeyring
from patient_svc.settings import parse_record_keys
from scheduling_svc.repository import SqlCalendarStore
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.contract.buses import an_event
from tests.running import RECORD_KEYS

STORES: dict[str, Callable[..., Any]] = {
    "auth_svc": lambda database, now, wake: SqlAuthStore(database, now, wake, lambda _session_id, _until: None),
    "doctor_svc": SqlDoctorStore,
    "patient_svc": partial(SqlPatientStore, keyring=RecordKeyring(parse_record_keys(RECORD_KEYS))),
    "scheduling_svc": SqlCalendarStore,
}


@pytest.mark.parametrize("package", STORES)
async def test_only_a_commit_with_an_event_wakes_the_relay(package: str, tmp_path: Path) -> None:
    url, clock, wakes = f"sqlite+aiosqlite:///{tmp_path / package}.db", MovableClock(running=False), list[str]()
    migrate(package, url)
    async with Database(url) as database:
        store = STORES[package](database, clock, lambda: wakes.append("wake"))
        async with store.begin() as tx:
            assert await tx.mark_handled(new_id())
        assert wakes == []
        async with store.begin() as tx:
            await tx.add_event(an_event())
        assert wakes == ["wake"]
