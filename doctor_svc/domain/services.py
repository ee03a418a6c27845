"""A service type: what can be booked, how long it takes and on what terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from shared.contracts.events import ServiceChanged
from shared.contracts.http import Money, ServiceTypeRules
from shared.contracts.refusals import require_version

Mode = Literal["in_person", "video", "phone"]


@dataclass(frozen=True, slots=True)
class ServiceType:
    """Durations in minutes, multiples of five; the horizon in days. `capacity` patients share a visit.

    Caps are visits of one doctor for this service by day and ISO week in the doctor's zone; a shared visit counts once.
    """

    id: UUID
    name: str
    specialty: str | None
    mode: Mode
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    slot_step_minutes: int
    min_notice_minutes: int
    horizon_days: int
    cancel_cutoff_minutes: int
    reschedule_cutoff_minutes: int
    requires_approval: bool
    price: Money | None
    active: bool = True
    capacity: int = 1
    daily_cap: int | None = None
    weekly_cap: int | None = None
    version: int = 1

    def amended(self, changes: Mapping[str, Any], expected: int | None) -> Self:
        """With some fields changed; the same when nothing is new."""
        require_version(self.version, expected)
        changed = replace(self, **changes)
        return changed if changed == self else replace(changed, version=self.version + 1)

    def changed(self, event_id: UUID, at: datetime) -> ServiceChanged:
        """The event that tells of this version."""
        return ServiceChanged(
            id=event_id, occurred_at=at, service_id=self.id, version=self.version, rules=ServiceTypeRules.model_validate(self)
        )
