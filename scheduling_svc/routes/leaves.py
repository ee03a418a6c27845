"""Leaves over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from scheduling_svc.domain.leaves import Leave
from scheduling_svc.domain.refusals import (
    AffectedChanged,
    AlreadyOver,
    DecidedTwice,
    NoSuchDoctor,
    NoSuchLeave,
    NotBookable,
    PatientBusy,
    RangeReversed,
    RangeTooLong,
    SlotHeld,
    SlotTaken,
    TargetRequired,
    TooManyAffected,
    UnknownDoctor,
)
from scheduling_svc.schemas import LeaveOut, PreviewLeave, PreviewOut, TakeLeave
from scheduling_svc.usecases.leaves import Leaves
from shared.kit import routes
from shared.kit.access import NotYours, OwnDoctor
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/doctors/{doctor_id}/leaves", tags=["Doctors and services"])
TIME = (NoSuchDoctor, NotYours, RangeReversed, RangeTooLong, AlreadyOver, TooManyAffected)
TAKING = (*TIME, AffectedChanged, DecidedTwice, TargetRequired, UnknownDoctor, NotBookable, SlotTaken, SlotHeld, PatientBusy)


UseCases = Annotated[Leaves, use_case(Leaves)]


@router.post("/preview", response_model=PreviewOut, responses=refusals(*TIME), summary="What a leave would hit")
async def preview_leave(doctor_id: UUID, body: PreviewLeave, caller: OwnDoctor, leaves: UseCases) -> PreviewOut:
    """Every appointment in its time, each with proposals: colleagues of the same service that day, and the doctor's own next free time."""
    return PreviewOut.model_validate({"affected": await leaves.preview(doctor_id, body.starts_at, body.ends_at, caller)})


@router.post("", response_model=LeaveOut, status_code=201, responses=refusals(*TAKING), summary="Take a leave")
async def take_leave(doctor_id: UUID, body: TakeLeave, caller: OwnDoctor, once: OperationId, leaves: UseCases) -> Leave:
    """`affected` decides about every appointment in its time, or nothing happens: 409 `affected_changed` tells those there now."""
    return await leaves.take(body.leave(once.id, doctor_id, caller.id, leaves.now()), caller)


@router.get(
    "", response_model=Page[LeaveOut], responses=refusals(NoSuchDoctor, NotYours, BadCursor), summary="A doctor's leaves, the latest first"
)
async def list_leaves(doctor_id: UUID, _caller: OwnDoctor, paging: Paged, leaves: UseCases) -> Page[Leave]:
    rows = await leaves.listed(doctor_id, paging.limit, paging.after)
    return paging.page(rows, lambda leave: (leave.starts_at.isoformat(), leave.id))


@router.get("/{leave_id}", response_model=LeaveOut, responses=refusals(NotYours, NoSuchLeave), summary="A leave")
async def show_leave(doctor_id: UUID, leave_id: UUID, _caller: OwnDoctor, leaves: UseCases) -> Leave:
    """With what was decided about each appointment in its time."""
    return await leaves.find(doctor_id, leave_id)


@router.delete("/{leave_id}", status_code=204, responses=refusals(NotYours, NoSuchLeave), summary="Withdraw a leave")
async def withdraw_leave(doctor_id: UUID, leave_id: UUID, _caller: OwnDoctor, leaves: UseCases) -> None:
    """The time reopens; what was decided about appointments stays."""
    return await leaves.withdraw(doctor_id, leave_id)
