"""Slots: starts that can be booked, as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling_svc.domain.terms import Service
from shared.contracts.grains import instant_of


@dataclass(frozen=True, slots=True)
class Slot:
    """`local_start` is the wall clock in `time_zone`; `remaining` the places that are left."""

    doctor_id: UUID
    service_id: UUID
    starts_at: datetime
    ends_at: datetime
    local_start: str
    time_zone: str
    remaining: int = 1

    @classmethod
    def of(cls, service: Service, doctor_id: UUID, grain: int, time_zone: str) -> Self:
        visit = service.visit(grain)
        starts_at, ends_at = instant_of(visit.start), instant_of(visit.stop)
        local_start = starts_at.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%dT%H:%M")
        return cls(doctor_id, service.id, starts_at, ends_at, local_start, time_zone)


@dataclass(frozen=True, slots=True)
class SlotList:
    """`complete` when nothing was left out."""

    items: list[Slot]
    complete: bool
    generated_at: datetime
