"""Schedules over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response

from doctor_svc.domain.refusals import EmptyWindow, NoSuchOverride, TooManyOverrides, ValidityReversed, WindowsOverlap
from doctor_svc.domain.schedules import ScheduleView
from doctor_svc.schemas import (
    ChangedScheduleOut,
    DeletedOverrideOut,
    OverrideOut,
    PutOverride,
    PutSchedule,
    ScheduleOut,
    outside_hours_fields,
)
from doctor_svc.usecases.schedules import ChangedHours, Schedules
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.contracts.relayed_refusals import NoSuchDoctor
from shared.contracts.values import CalendarDate, Instant
from shared.kit import routes
from shared.kit.access import NotYours, OwnDoctor, Public
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import vary_with_time, with_etag
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/doctors/{doctor_id}/schedules", tags=["Doctors and services"])
UseSchedules = Annotated[Schedules, use_case(Schedules)]
OverrideDate = Annotated[CalendarDate, Path(alias="date")]
RangeStart = Annotated[Instant | None, Query(alias="from", description="By default now.")]
RangeEnd = Annotated[Instant | None, Query(alias="to", description="Not included. By default 14 days later; at most 62 days.")]
REFUSALS_OF_CHANGES = (NoSuchDoctor, NotYours, Stale)


@router.get(
    "",
    operation_id="get_schedule",
    response_model=ScheduleOut,
    responses=refusals(NoSuchDoctor, RangeReversed, RangeTooLong),
    summary="A doctor's hours",
)
async def get_schedule(
    doctor_id: UUID,
    caller: Public,
    schedules: UseSchedules,
    response: Response,
    starts_at: RangeStart = None,
    ends_at: RangeEnd = None,
) -> ScheduleView:
    """The weekly hours, the dates that differ from them, and the working windows that follow from both in the range."""
    if starts_at is None:
        vary_with_time(response)  # The range begins now.
    return with_etag(response, await schedules.view(doctor_id, caller, starts_at, ends_at))


@router.put(
    "",
    operation_id="put_schedule",
    response_model=ChangedScheduleOut,
    responses=refusals(*REFUSALS_OF_CHANGES, PreconditionRequired, EmptyWindow, WindowsOverlap, ValidityReversed),
    summary="Replace the weekly hours",
)
async def put_schedule(
    doctor_id: UUID, body: PutSchedule, caller: OwnDoctor, expected_version: RequireIfMatch, schedules: UseSchedules, response: Response
) -> ChangedScheduleOut:
    """Appointments outside of the new hours stay; `outside_hours` lists them. Free times that are listed next follow the new hours."""
    return with_etag(response, _changed_schedule(await schedules.replace_weekly_hours(doctor_id, body.weekly, expected_version, by=caller)))


@router.put(
    "/overrides/{date}",
    operation_id="put_override",
    response_model=OverrideOut,
    responses=refusals(*REFUSALS_OF_CHANGES, PreconditionRequired, EmptyWindow, WindowsOverlap, TooManyOverrides),
    summary="Set the hours of one date",
)
async def put_override(
    doctor_id: UUID,
    on: OverrideDate,
    body: PutOverride,
    caller: OwnDoctor,
    expected_version: RequireIfMatch,
    schedules: UseSchedules,
    response: Response,
) -> OverrideOut:
    """Without windows the date is a day off. Windows replace the weekly hours, also on a day that has none.

    Appointments outside of the new hours stay; `outside_hours` lists them.
    """
    return with_etag(response, _override(await schedules.put_override(doctor_id, on, body.windows, expected_version, by=caller), on))


@router.delete(
    "/overrides/{date}",
    operation_id="delete_override",
    response_model=DeletedOverrideOut,
    responses=refusals(*REFUSALS_OF_CHANGES, NoSuchOverride),
    summary="Follow the weekly hours again",
)
async def delete_override(
    doctor_id: UUID, on: OverrideDate, caller: OwnDoctor, expected_version: IfMatch, schedules: UseSchedules, response: Response
) -> DeletedOverrideOut:
    """Appointments outside of the hours that the date then has stay; `outside_hours` lists them."""
    return with_etag(response, _deleted_override(await schedules.delete_override(doctor_id, on, expected_version, by=caller), on))


def _changed_schedule(changed: ChangedHours) -> ChangedScheduleOut:
    schedule = ScheduleOut.model_validate(changed.view)
    return ChangedScheduleOut(**dict(schedule), **outside_hours_fields(changed.visits))


def _override(changed: ChangedHours, on: date) -> OverrideOut:
    override = changed.schedule.override_on(on)
    assert override is not None
    return OverrideOut(**dict(override), version=changed.schedule.version, **outside_hours_fields(changed.visits))


def _deleted_override(changed: ChangedHours, on: date) -> DeletedOverrideOut:
    return DeletedOverrideOut(date=on, version=changed.schedule.version, **outside_hours_fields(changed.visits))
