"""Opening and closing hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.schedules import Schedule, ScheduleView, bounded, sound_date, sound_week
from doctor_svc.ports import Store
from shared.contracts.http import DayWindow, WeeklyWindow
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Schedules:
    store: Store
    now: Clock

    async def view(self, doctor_id: UUID, by: Caller | None, begins: datetime | None, ends: datetime | None) -> ScheduleView:
        start, end = bounded(begins, ends, self.now())
        doctor = (await self.store.doctor(doctor_id)).shown_to(by)
        return ScheduleView.of(doctor.rules(), doctor.schedule, start, end)

    async def open_hours(self, doctor_id: UUID, weekly: Sequence[WeeklyWindow], expected: int | None) -> ScheduleView:
        """Replaces the weekly hours. Existing appointments stay."""
        sound_week(weekly)
        doctor = await self._changed(doctor_id, lambda schedule: schedule.with_weekly(weekly, expected))
        return ScheduleView.of(doctor.rules(), doctor.schedule, *bounded(None, None, self.now()))

    async def override(self, doctor_id: UUID, on: date, windows: Sequence[DayWindow], expected: int | None) -> Schedule:
        """The hours of one date; none: a day off."""
        sound_date(windows)
        one = new_id()
        return (await self._changed(doctor_id, lambda schedule: schedule.with_override(one, on, windows, expected))).schedule

    async def follow_week(self, doctor_id: UUID, on: date, expected: int | None) -> Schedule:
        """The date follows the weekly hours again."""
        return (await self._changed(doctor_id, lambda schedule: schedule.without_override(on, expected))).schedule

    async def _changed(self, doctor_id: UUID, change: Callable[[Schedule], Schedule]) -> Doctor:
        async with self.store.begin() as tx:
            doctor = await tx.get_doctor(doctor_id)
            changed = doctor.scheduled(change(doctor.schedule))
            await tx.save_doctor(changed)
            await tx.add_event(changed.changed(new_id(), self.now()))
        return changed
