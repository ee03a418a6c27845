"""Reading and changing working hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.schedules import Schedule, ScheduleView, check_weekly_hours, check_windows, range_or_default
from doctor_svc.ports import DoctorStore
from doctor_svc.usecases.calendar import CalendarFollower
from shared.contracts.http import DateOverride, DayWindow, VisitsOutsideHours, WeeklyWindow
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class ChangedHours:
    """A schedule after a change, its view of the next two weeks, and the booked visits that now lie outside the hours.

    `visits` is None if the calendar did not answer.
    """

    schedule: Schedule
    view: ScheduleView
    visits: VisitsOutsideHours | None


@dataclass(frozen=True, slots=True)
class Schedules:
    """The use cases of schedules. Appointments outside of changed hours stay as they are; every change returns them."""

    store: DoctorStore
    calendar: CalendarFollower
    now: Clock

    @retry_on_abort
    async def view(self, doctor_id: UUID, caller: Caller | None, starts_at: datetime | None, ends_at: datetime | None) -> ScheduleView:
        """Return a schedule with the working windows in a range. Raises RangeReversed, RangeTooLong or NoSuchDoctor."""
        start, end = range_or_default(starts_at, ends_at, self.now())
        doctor = (await self.store.get_doctor(doctor_id)).view_for(caller)
        return ScheduleView.for_range(doctor.rules(), doctor.schedule, start, end)

    async def replace_weekly_hours(self, doctor_id: UUID, weekly: Sequence[WeeklyWindow], expected_version: int | None) -> ChangedHours:
        """Replace the weekly hours. Raises EmptyWindow, ValidityReversed, WindowsOverlap, NoSuchDoctor or Stale."""
        check_weekly_hours(weekly)
        return await self._change_hours(doctor_id, lambda schedule: schedule.with_weekly_hours(weekly, expected_version))

    async def put_override(self, doctor_id: UUID, on: date, windows: Sequence[DayWindow], expected_version: int | None) -> ChangedHours:
        """Set the hours of one date; without windows it is a day off.

        Raises EmptyWindow, WindowsOverlap, NoSuchDoctor, Stale or TooManyOverrides.
        """
        check_windows(windows)
        override = DateOverride(id=new_id(), date=on, windows=list(windows))
        return await self._change_hours(doctor_id, lambda schedule: schedule.with_override(override, expected_version))

    async def delete_override(self, doctor_id: UUID, on: date, expected_version: int | None) -> ChangedHours:
        """Delete the override of a date, which then follows the weekly hours. Raises NoSuchDoctor, Stale or NoSuchOverride."""
        return await self._change_hours(doctor_id, lambda schedule: schedule.without_override(on, expected_version))

    async def _change_hours(self, doctor_id: UUID, change: Callable[[Schedule], Schedule]) -> ChangedHours:
        doctor = await self._update_schedule(doctor_id, change)
        view = ScheduleView.for_range(doctor.rules(), doctor.schedule, *range_or_default(None, None, self.now()))
        return ChangedHours(doctor.schedule, view, await self.calendar.find_visits_outside_hours(doctor))

    @retry_on_abort
    async def _update_schedule(self, doctor_id: UUID, change: Callable[[Schedule], Schedule]) -> Doctor:
        async with self.store.begin() as tx:
            doctor = await tx.get_doctor(doctor_id)
            updated = doctor.with_schedule(change(doctor.schedule))
            await tx.update_doctor(updated)
            await tx.add_event(updated.changed_event(new_id(), self.now()))
        return updated
