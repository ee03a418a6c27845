"""Reading and changing the clinic's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from admin_svc.domain.audit import AuditLine
from admin_svc.domain.clinic_settings import RETENTION_DELAY, CurrentSettings, Logo, SettingsVersion
from admin_svc.ports.clinic_settings import SettingsStore
from admin_svc.usecases.audit import append_to_chain
from shared.contracts.clinic import CLINIC_ID, ClinicProfile, ClinicSettings
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Service
from shared.kit.audit import audit_event, changed_states
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class ClinicAdministration:
    """The clinic's settings. Every change is a version of its own, is in the audit trail, and is announced to all services."""

    store: SettingsStore
    defaults: ClinicProfile
    now: Clock

    @retry_on_abort
    async def read(self) -> CurrentSettings:
        """Return the current settings."""
        return CurrentSettings(await self.store.read_settings(self.now() - RETENTION_DELAY), self.defaults)

    async def read_logo(self) -> Logo:
        """Return the logo. Raises NoLogo."""
        return (await self.read()).settings.logo

    async def list_for_services(self) -> ClinicSettings:
        """Return what was set, as the services fetch it."""
        return (await self.read()).settings.settings

    @retry_on_abort
    async def list_versions(self, limit: int, after: tuple[str, ...] | None) -> Sequence[SettingsVersion]:
        """Return up to `limit + 1` versions, newest first; the extra one tells that there is a next page. Raises BadCursor."""
        return await self.store.list_settings(limit + 1, after)

    @retry_on_abort
    async def replace(self, values: Mapping[str, Any], expected_version: int | None, change_id: UUID, by: Caller) -> CurrentSettings:
        """Replace all settings by these values, which are JSON. A repetition with the same `change_id` changes nothing more.

        Raises Stale or LogoUnreadable.
        """
        actor, now = Actor.from_caller(by), self.now()
        async with self.store.begin() as tx:
            current = await tx.find_settings(now - RETENTION_DELAY)
            settings = await tx.find_settings_change(change_id) if current.id != change_id else current
            if settings is None:
                settings = current.replace(values, expected_version, change_id, actor, now)
                if settings != current:
                    await tx.insert_settings(settings)
                    await tx.add_event(settings.changed_event(new_id(), now))
                    states = dict(zip(("before", "after"), changed_states(current.audit_state, settings.audit_state), strict=True))
                    line = audit_event(Service.ADMIN, by, "settings.changed", CLINIC_ID, at=now, row_id=settings.id, **states)
                    await append_to_chain(tx, AuditLine.from_event(line, now))
        return CurrentSettings(settings.in_effect(now), self.defaults)
