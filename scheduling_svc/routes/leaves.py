"""Leaves over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from scheduling_svc.domain.leaves import Leave
from scheduling_svc.domain.refusals import (
    AffectedChanged,
    AlreadyOver,
    DecidedTwice,
    NoSuchLeave,
    TargetRequired,
    TooManyAffected,
    UnknownDoctor,
)
from scheduling_svc.schemas import LeaveOut, LeavePreviewOut, PreviewLeave, TakeLeave
from scheduling_svc.usecases.leaves import Leaves
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.relayed_refusals import NoSuchDoctor, NotBookable, PatientBusy, SlotHeld, SlotTaken
from shared.kit import routes
from shared.kit.access import NotYours, OwnDoctor
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/doctors/{doctor_id}/leaves", tags=["Doctors and services"])
UseCases = Annotated[Leaves, use_case(Leaves)]
PREVIEW_REFUSALS = (NoSuchDoctor, NotYours, RangeReversed, RangeTooLong, AlreadyOver, TooManyAffected)
TAKE_REFUSALS = (
    *PREVIEW_REFUSALS, AffectedChanged, DecidedTwice, TargetRequired, UnknownDoctor, NotBookable, SlotTaken, SlotHeld, PatientBusy,
)  # fmt: skip


@router.post(
    "/preview",
    operation_id="preview_leave",
    response_model=LeavePreviewOut,
    responses=refusals(*PREVIEW_REFUSALS),
    summary="Preview what a leave would affect",
)
async def preview_leave(doctor_id: UUID, body: PreviewLeave, caller: OwnDoctor, leaves: UseCases) -> LeavePreviewOut:
    """Lists every appointment in this time with proposals: colleagues who offer the service on that day, and the doctor's next free one."""
    return LeavePreviewOut.model_validate({"affected": await leaves.preview(doctor_id, body.starts_at, body.ends_at, caller)})


@router.post(
    "", operation_id="take_leave", response_model=LeaveOut, status_code=201, responses=refusals(*TAKE_REFUSALS), summary="Take a leave"
)
async def take_leave(
    response: Response, doctor_id: UUID, body: TakeLeave, caller: OwnDoctor, operation: OperationId, leaves: UseCases
) -> Leave:
    """`affected` must decide about every appointment in this time. Otherwise 409 `affected_changed` lists the appointments in it now."""
    leave = await leaves.take(body.leave(operation.id, doctor_id, caller.id, leaves.now()), caller)
    response.headers["Location"] = f"/doctors/{doctor_id}/leaves/{leave.id}"
    return leave


@router.get(
    "",
    operation_id="list_leaves",
    response_model=Page[LeaveOut],
    responses=refusals(NoSuchDoctor, NotYours, BadCursor),
    summary="List a doctor's leaves, the latest first",
)
async def list_leaves(
    request: Request, response: Response, doctor_id: UUID, _caller: OwnDoctor, paging: Paged, leaves: UseCases
) -> Page[Leave]:
    """Leaves that were withdrawn are left out."""
    rows = await leaves.list_leaves(doctor_id, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda leave: (leave.starts_at.isoformat(), leave.id)))


@router.get(
    "/{leave_id}", operation_id="show_leave", response_model=LeaveOut, responses=refusals(NotYours, NoSuchLeave), summary="Get a leave"
)
async def show_leave(doctor_id: UUID, leave_id: UUID, _caller: OwnDoctor, leaves: UseCases) -> Leave:
    """Includes the decision about each appointment in its time."""
    return await leaves.get(doctor_id, leave_id)


@router.delete(
    "/{leave_id}", operation_id="withdraw_leave", status_code=204, responses=refusals(NotYours, NoSuchLeave), summary="Withdraw a leave"
)
async def withdraw_leave(doctor_id: UUID, leave_id: UUID, caller: OwnDoctor, leaves: UseCases) -> None:
    """Reopens the time. Appointments that the leave cancelled or moved are not restored."""
    return await leaves.withdraw(doctor_id, leave_id, by=caller)
