"""Reading and changing what doctors decide about their mails."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from notify_svc.domain.doctor_preferences import DoctorPreferences
from notify_svc.ports.doctor_preferences import DoctorPreferencesStore
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class DoctorMailPreferences:
    """The use cases of doctors' preferences."""

    store: DoctorPreferencesStore
    now: Clock

    @retry_on_abort
    async def get(self, doctor_id: UUID) -> DoctorPreferences:
        """Return a doctor's preferences, the default ones for a doctor who has not decided yet."""
        return await self.store.find_doctor_preferences(doctor_id) or DoctorPreferences.default(doctor_id, self.now())

    @retry_on_abort
    async def update(self, doctor_id: UUID, daily_digest: bool, expected_version: int | None) -> DoctorPreferences:
        """Choose whether the doctor gets digests. `expected_version` is the version that was read, or None for any. Raises Stale."""
        async with self.store.begin() as tx:
            preferences = await tx.lock_doctor_preferences(doctor_id, self.now())
            updated = preferences.with_daily_digest(daily_digest, expected_version, self.now())
            if updated != preferences:
                await tx.save_doctor_preferences(updated)
        return updated
