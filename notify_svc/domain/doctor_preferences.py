"""What doctors decide about the mails that they get."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from shared.contracts.refusals import require_version


@dataclass(frozen=True, slots=True)
class DoctorPreferences:
    """Whether a doctor gets a digest of the next day in the evening, as decided at `switched_at`."""

    doctor_id: UUID
    daily_digest: bool
    switched_at: datetime
    version: int = 1

    @classmethod
    def default(cls, doctor_id: UUID, now: datetime) -> Self:
        """Return the preferences of a doctor who has not decided yet: no digest."""
        return cls(doctor_id, daily_digest=False, switched_at=now)

    def with_daily_digest(self, daily_digest: bool, expected_version: int | None, now: datetime) -> Self:
        """Return the preferences in a new version, or self if nothing changes. Raises Stale."""
        require_version(self.version, expected_version)
        if daily_digest == self.daily_digest:
            return self
        return replace(self, daily_digest=daily_digest, switched_at=now, version=self.version + 1)
