"""Hours over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response

from doctor_svc.domain.refusals import (
    NoSuchDoctor,
    NoSuchOverride,
    RangeReversed,
    RangeTooLong,
    TooManyOverrides,
    ValidityReversed,
    WindowsOverlap,
)
from doctor_svc.domain.schedules import Schedule, ScheduleView
from doctor_svc.schemas import OverrideOut, PutOverride, PutSchedule, ScheduleOut
from doctor_svc.usecases.schedules import Schedules
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.contracts.values import CalendarDate, Instant
from shared.kit import routes
from shared.kit.access import NotYours, OwnDoctor, Public
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/doctors/{doctor_id}/schedules", tags=["Doctors and services"])
On = Annotated[CalendarDate, Path(alias="date")]
CHANGING = (NoSuchDoctor, NotYours, Stale)


UseCases = Annotated[Schedules, use_case(Schedules)]


@router.get("", response_model=ScheduleOut, responses=refusals(NoSuchDoctor, RangeReversed, RangeTooLong), summary="A doctor's hours")
async def get_schedule(
    doctor_id: UUID,
    caller: Public,
    schedules: UseCases,
    begins: Annotated[Instant | None, Query(alias="from", description="Default: now.")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included; default: 14 days later; at most 62 days.")] = None,
) -> ScheduleView:
    return await schedules.view(doctor_id, caller, begins, ends)


@router.put(
    "",
    response_model=ScheduleOut,
    responses=refusals(*CHANGING, PreconditionRequired, WindowsOverlap, ValidityReversed),
    summary="Replace the weekly hours",
)
async def put_schedule(
    doctor_id: UUID, body: PutSchedule, _caller: OwnDoctor, expected: RequireIfMatch, schedules: UseCases
) -> ScheduleView:
    """Appointments that stand outside of the new hours stay."""
    return await schedules.open_hours(doctor_id, body.weekly, expected)


@router.put(
    "/overrides/{date}",
    response_model=OverrideOut,
    responses=refusals(*CHANGING, PreconditionRequired, WindowsOverlap, TooManyOverrides),
    summary="The hours of one date",
)
async def put_override(
    doctor_id: UUID, on: On, body: PutOverride, _caller: OwnDoctor, expected: RequireIfMatch, schedules: UseCases
) -> OverrideOut:
    """No windows: a day off. Windows on a day off open it."""
    return _override(await schedules.override(doctor_id, on, body.windows, expected), on)


@router.delete("/overrides/{date}", status_code=204, responses=refusals(*CHANGING, NoSuchOverride), summary="Back to the weekly hours")
async def delete_override(doctor_id: UUID, on: On, _caller: OwnDoctor, expected: IfMatch, schedules: UseCases, response: Response) -> None:
    """The ETag is the schedule's."""
    response.headers["ETag"] = f'"{(await schedules.follow_week(doctor_id, on, expected)).version}"'


def _override(schedule: Schedule, on: date) -> OverrideOut:
    override = schedule.override(on)
    assert override is not None
    return OverrideOut(id=override.id, date=override.date, windows=override.windows, version=schedule.version)
