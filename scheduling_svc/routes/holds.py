"""Holds over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.refusals import HoldExtended, NoSuchHold, TooManyHolds, UnknownDoctor
from scheduling_svc.schemas import HoldOut, HoldTime
from scheduling_svc.usecases.holds import Holds
from shared.contracts.identity import Caller
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import (
    HoldExpired,
    NoSuchPatient,
    NotBookable,
    PatientBusy,
    PatientWasMerged,
    SlotHeld,
    SlotTaken,
    UnknownService,
)
from shared.kit import routes
from shared.kit.access import PatientOrStaff, parse_uuid
from shared.kit.idempotency import OperationId
from shared.kit.problems import refusals
from shared.kit.replay_checks import ReplayCheck
from shared.kit.requests import ServiceRequest
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/holds", tags=["Calendar"])
UseCases = Annotated[Holds, use_case(Holds)]
HOLD_REFUSALS = (
    UnknownService, UnknownDoctor, NotBookable, SlotTaken, SlotHeld, PatientBusy, TooManyHolds, NoSuchPatient, PatientWasMerged,
    Unavailable,
)  # fmt: skip


async def _check_replay(request: ServiceRequest, caller: Caller, _hold_id: UUID) -> None:
    """Refuse a guardian who has lost the right to book for the patient since the time was held."""
    holds: Holds = request.app.state.use_cases[Holds]
    await holds.require_may_hold_for(parse_uuid(str(request.parsed_body.get("patient_id"))), caller)


@router.post(
    "",
    operation_id="hold_time",
    response_model=HoldOut,
    status_code=201,
    responses=refusals(*HOLD_REFUSALS),
    summary="Hold a time for five minutes",
    dependencies=[Depends(ReplayCheck(_check_replay))],
)
async def hold_time(response: Response, body: HoldTime, caller: PatientOrStaff, operation: OperationId, holds: UseCases) -> Hold:
    """Replaces your last hold for this service. Booking this time uses the hold up."""
    hold = await holds.hold(operation.id, body.hold_request, caller)
    response.headers["Location"] = f"/holds/{hold.id}"
    return hold


@router.get(
    "/{hold_id}", operation_id="get_hold", response_model=HoldOut, responses=refusals(NoSuchHold), summary="Get your own active hold"
)
async def get_hold(hold_id: UUID, caller: PatientOrStaff, holds: UseCases) -> Hold:
    """A hold that has expired or was used does not exist any more."""
    return await holds.get(hold_id, caller)


@router.post(
    "/{hold_id}/extend",
    operation_id="extend_hold",
    response_model=HoldOut,
    responses=refusals(NoSuchHold, HoldExpired, HoldExtended),
    summary="Extend a hold by five minutes, once",
)
async def extend_hold(hold_id: UUID, caller: PatientOrStaff, holds: UseCases) -> Hold:
    """The hold ends five minutes later than before."""
    return await holds.extend(hold_id, caller)


@router.delete("/{hold_id}", operation_id="drop_hold", status_code=204, responses=refusals(NoSuchHold), summary="Delete a hold")
async def drop_hold(hold_id: UUID, caller: PatientOrStaff, holds: UseCases) -> None:
    """The time is free for everyone again."""
    return await holds.drop(hold_id, caller)
