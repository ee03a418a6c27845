"""Holds over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.refusals import (
    HoldExpired,
    HoldExtended,
    NoSuchHold,
    NotBookable,
    PatientBusy,
    SlotHeld,
    SlotTaken,
    TooManyHolds,
    UnknownDoctor,
    UnknownService,
)
from scheduling_svc.schemas import HoldOut, HoldTime
from scheduling_svc.usecases.holds import Holds
from shared.kit import routes
from shared.kit.access import PatientOrStaff
from shared.kit.idempotency import OperationId
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/holds", tags=["Calendar"])
HOLDING = (UnknownService, UnknownDoctor, NotBookable, SlotTaken, SlotHeld, PatientBusy, TooManyHolds)


UseCases = Annotated[Holds, use_case(Holds)]


@router.post("", response_model=HoldOut, status_code=201, responses=refusals(*HOLDING), summary="Hold a time for five minutes")
async def hold_time(body: HoldTime, caller: PatientOrStaff, once: OperationId, holds: UseCases) -> Hold:
    """In place of your last hold for this service. A booking of yours at this time uses it up."""
    return await holds.hold(once.id, body.wish, caller)


@router.get("/{hold_id}", response_model=HoldOut, responses=refusals(NoSuchHold), summary="One's own hold that stands")
async def get_hold(hold_id: UUID, caller: PatientOrStaff, holds: UseCases) -> Hold:
    return await holds.find(hold_id, caller)


@router.post(
    "/{hold_id}/extend",
    response_model=HoldOut,
    responses=refusals(NoSuchHold, HoldExpired, HoldExtended),
    summary="Five minutes more, once",
)
async def extend_hold(hold_id: UUID, caller: PatientOrStaff, holds: UseCases) -> Hold:
    return await holds.extend(hold_id, caller)


@router.delete("/{hold_id}", status_code=204, responses=refusals(NoSuchHold), summary="Give a held time back")
async def drop_hold(hold_id: UUID, caller: PatientOrStaff, holds: UseCases) -> None:
    return await holds.drop(hold_id, caller)
