"""Slots: starts that can be booked, as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduling_svc.domain.availability import Reason
from scheduling_svc.domain.sheet import Sheet
from shared.contracts.grains import instant_of


@dataclass(frozen=True, slots=True)
class Slot:
    """`local_start` is the wall clock in `time_zone`; `remaining` the places that are left; `held_by_you`: the viewer's own hold."""

    doctor_id: UUID
    service_id: UUID
    starts_at: datetime
    ends_at: datetime
    local_start: str
    time_zone: str
    remaining: int = 1
    held_by_you: bool = False

    @classmethod
    def of(cls, sheet: Sheet, grain: int, time_zone: str | None) -> Self:
        """A start of a sheet; its zone is the doctor's unless another is named."""
        zone, visit = time_zone or sheet.doctor.hours.time_zone, sheet.service.visit(grain)
        starts_at, ends_at = instant_of(visit.start), instant_of(visit.stop)
        local_start = f"{starts_at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"
        who = sheet.doctor.id, sheet.service.id
        return cls(*who, starts_at, ends_at, local_start, zone, sheet.remaining(grain), sheet.is_own(grain))


@dataclass(frozen=True, slots=True)
class SlotList:
    """`complete` when nothing was left out; else it goes on after the last one's start and doctor."""

    items: list[Slot]
    complete: bool
    generated_at: datetime

    @property
    def next(self) -> tuple[datetime, UUID] | None:
        return None if self.complete else (self.items[-1].starts_at, self.items[-1].doctor_id)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a start can be booked, and all that stands against it."""

    bookable: bool
    reasons: list[Reason]
