"""Service types: what can be booked, how long it takes and on what terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from shared.contracts.events import ServiceChanged
from shared.contracts.http import Money, ServiceTypeRules, VisitMode
from shared.contracts.refusals import require_version


@dataclass(frozen=True, slots=True)
class ServiceType:
    """Something that can be booked. Durations, notice and cut-offs are in minutes, multiples of five; the horizon is in days.

    `capacity` is the number of patients who share one visit. Caps limit the visits of one doctor for this service type, per day and per
    ISO week in the doctor's time zone; a shared visit counts once. `reminder_offsets_minutes` are the times before the start at which
    reminders are due, for patients who have not chosen any: None for the clinic's, empty for no reminders.
    """

    id: UUID
    name: str
    specialty: str | None
    mode: VisitMode
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
    reminder_offsets_minutes: tuple[int, ...] | None = None
    version: int = 1

    def update(self, changes: Mapping[str, Any], expected_version: int | None) -> Self:
        """Return the service type with some fields replaced and a new version, or self if nothing changes. Raises Stale."""
        require_version(self.version, expected_version)
        updated = replace(self, **changes)
        return updated if updated == self else replace(updated, version=self.version + 1)

    def changed_event(self, event_id: UUID, occurred_at: datetime) -> ServiceChanged:
        """Return the event that announces this version."""
        rules = ServiceTypeRules.model_validate(self)
        return ServiceChanged(id=event_id, occurred_at=occurred_at, service_id=self.id, version=self.version, rules=rules)
