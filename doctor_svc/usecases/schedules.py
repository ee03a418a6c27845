"""Reading and changing working hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.schedules import Schedule, ScheduleView, check_weekly_hours, check_windows, range_or_default
from doctor_svc.ports import DoctorStore
from doctor_svc.usecases.calendar import CalendarFollower
from shared.contracts.events import AuditRecorded
from shared.contracts.http import DateOverride, DayWindow, VisitsOutsideHours, WeeklyWindow
from shared.contracts.identity import Caller, Service
from shared.kit.audit import audit_event
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
class HoursChange:
    """Who changes hours, and what the audit trail shows of it."""

    by: Caller
    action: str
    state: Mapping[str, str]

    def audit_event(self, doctor_id: UUID, at: datetime) -> AuditRecorded:
        """Return the line of the audit trail."""
        return audit_event(Service.DOCTOR, self.by, self.action, doctor_id, at=at, after=self.state)


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

    async def replace_weekly_hours(
        self, doctor_id: UUID, weekly: Sequence[WeeklyWindow], expected_version: int | None, *, by: Caller
    ) -> ChangedHours:
        """Replace the weekly hours. Raises EmptyWindow, ValidityReversed, WindowsOverlap, NoSuchDoctor or Stale."""
        check_weekly_hours(weekly)
        change = HoursChange(by, "hours.change", {"windows": str(len(weekly))})
        return await self._change_hours(doctor_id, change, lambda schedule: schedule.with_weekly_hours(weekly, expected_version))

    async def put_override(
        self, doctor_id: UUID, on: date, windows: Sequence[DayWindow], expected_version: int | None, *, by: Caller
    ) -> ChangedHours:
        """Set the hours of one date; without windows it is a day off.

        Raises EmptyWindow, WindowsOverlap, NoSuchDoctor, Stale or TooManyOverrides.
        """
        check_windows(windows)
        override = DateOverride(id=new_id(), date=on, windows=list(windows))
        change = HoursChange(by, "hours.override", {"date": str(on), "windows": str(len(windows))})
        return await self._change_hours(doctor_id, change, lambda schedule: schedule.with_override(override, expected_version))

    async def delete_override(self, doctor_id: UUID, on: date, expected_version: int | None, *, by: Caller) -> ChangedHours:
        """Delete the override of a date, which then follows the weekly hours. Raises NoSuchDoctor, Stale or NoSuchOverride."""
        change = HoursChange(by, "hours.restore", {"date": str(on)})
        return await self._change_hours(doctor_id, change, lambda schedule: schedule.without_override(on, expected_version))

    async def _change_hours(self, doctor_id: UUID, change: HoursChange, apply: Callable[[Schedule], Schedule]) -> ChangedHours:
        doctor = await self._update_schedule(doctor_id, change, apply)
        view = ScheduleView.for_range(doctor.rules(), doctor.schedule, *range_or_default(None, None, self.now()))
        return ChangedHours(doctor.schedule, view, await self.calendar.find_visits_outside_hours(doctor))

    @retry_on_abort
    async def _update_schedule(self, doctor_id: UUID, change: HoursChange, apply: Callable[[Schedule], Schedule]) -> Doctor:
        async with self.store.begin() as tx:
            doctor = await tx.get_doctor(doctor_id)
            updated = doctor.with_schedule(apply(doctor.schedule))
            await tx.update_doctor(updated)
            await tx.add_event(updated.changed_event(new_id(), self.now()))
            await tx.add_event(change.audit_event(doctor_id, self.now()))
        return updated
