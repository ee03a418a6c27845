"""Changing the clinic's settings: a request that is repeated has the answer of the first one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from admin_svc.domain.clinic_settings import RETENTION_DELAY, FormerRetention, SettingsVersion
from admin_svc.ports.clinic_settings import SettingsStore
from admin_svc.usecases.clinic_settings import ClinicAdministration
from shared.contracts.clinic import ClinicProfile, RetentionPeriods
from shared.contracts.events import Event
from shared.contracts.identity import Caller, Role
from shared.kit.clock import MovableClock
from tests.running import NOON
from tests.unit.admin.memory_chain import MemoryChain

ADMIN = Caller(UUID(int=0xAD), Role.ADMIN)
SHORTER, RENAMED = UUID(int=1), UUID(int=2)


@dataclass
class MemorySettings(MemoryChain):
    """The versions of the settings. The periods of former changes are kept beside them, as a database finds them in older rows."""

    versions: list[SettingsVersion] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemorySettings]:
        yield self

    async def find_settings(self, changed_since: datetime) -> SettingsVersion:
        if not self.versions:
            return SettingsVersion()
        recent = {former.until: former for version in self.versions for former in version.former_retention if former.until > changed_since}
        return replace(self.versions[-1], former_retention=tuple(recent.values()))

    async def find_settings_change(self, change_id: UUID) -> SettingsVersion | None:
        version = next((version for version in self.versions if version.id == change_id), None)
        return version and replace(version, former_retention=())

    async def insert_settings(self, settings: SettingsVersion) -> None:
        self.versions.append(settings)

    async def add_event(self, event: Event) -> None:
        self.events.append(event)


async def test_a_repeated_change_still_says_when_shorter_periods_take_effect() -> None:
    store, clock = MemorySettings(), MovableClock(NOON, running=False)
    kept = {"audit_years": 10}
    clinic = ClinicAdministration(cast(SettingsStore, store), cast(ClinicProfile, None), clock)
    store.versions.append(SettingsVersion(2, {"retention": kept}, UUID(int=9), NOON - timedelta(days=30), ADMIN.id))
    shorter: dict[str, Any] = {"retention": {"audit_years": 3}}
    await clinic.replace(shorter, 2, SHORTER, ADMIN)
    clock.advance(timedelta(days=1))
    first = await clinic.replace(shorter | {"name": "Lindenstrasse"}, 3, RENAMED, ADMIN)
    repeated = await clinic.replace(shorter | {"name": "Lindenstrasse"}, 3, RENAMED, ADMIN)
    assert first.settings.retention_changes_at == repeated.settings.retention_changes_at == NOON + RETENTION_DELAY
    assert FormerRetention(RetentionPeriods.model_validate(kept), NOON) in repeated.settings.former_retention
    assert len(store.versions) == 3
    assert len(store.events) == len(store.lines) == 2


async def test_a_repetition_of_an_older_change_changes_nothing() -> None:
    store, clock = MemorySettings(), MovableClock(NOON, running=False)
    clinic = ClinicAdministration(cast(SettingsStore, store), cast(ClinicProfile, None), clock)
    await clinic.replace({"name": "First"}, 1, SHORTER, ADMIN)
    await clinic.replace({"name": "Second"}, 2, RENAMED, ADMIN)
    assert (await clinic.replace({"name": "First"}, 1, SHORTER, ADMIN)).version == 2
    assert [version.set_values["name"] for version in store.versions] == ["First", "Second"]
