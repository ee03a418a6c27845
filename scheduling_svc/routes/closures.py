"""Closures of the clinic over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from scheduling_svc.domain.leaves import Closure
from scheduling_svc.domain.refusals import AlreadyOver, NoSuchClosure
from scheduling_svc.schemas import CloseClinic, ClosureOut, ClosureResultOut
from scheduling_svc.usecases.closures import ClosureResult, Closures
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/closures", tags=["Administration"])
UseCases = Annotated[Closures, use_case(Closures)]


@router.post(
    "",
    operation_id="close_clinic",
    response_model=ClosureResultOut,
    status_code=201,
    responses=refusals(RangeReversed, RangeTooLong, AlreadyOver),
    summary="Close the clinic",
)
async def close_clinic(response: Response, body: CloseClinic, caller: Admin, operation: OperationId, closures: UseCases) -> ClosureResult:
    """Blocks the time of every doctor concerned, also of doctors who are added later, for at most 31 days.

    Appointments in this time stay; the response lists them.
    """
    closure = await closures.close(body.closure(operation.id, caller.id, closures.now()))
    response.headers["Location"] = f"/admin/closures/{closure.id}"
    return closure


@router.get(
    "",
    operation_id="list_closures",
    response_model=Page[ClosureOut],
    responses=refusals(BadCursor),
    summary="List the closures, the latest first",
)
async def list_closures(request: Request, response: Response, _caller: Admin, paging: Paged, closures: UseCases) -> Page[Closure]:
    """Closures that were lifted are left out."""
    rows = await closures.list_closures(paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda closure: (closure.starts_at.isoformat(), closure.id)))


@router.get(
    "/{closure_id}", operation_id="show_closure", response_model=ClosureOut, responses=refusals(NoSuchClosure), summary="Get a closure"
)
async def show_closure(closure_id: UUID, _caller: Admin, closures: UseCases) -> Closure:
    """A closure that was lifted does not exist any more."""
    return await closures.get(closure_id)


@router.delete("/{closure_id}", operation_id="lift_closure", status_code=204, responses=refusals(NoSuchClosure), summary="Lift a closure")
async def lift_closure(closure_id: UUID, caller: Admin, closures: UseCases) -> None:
    """Reopens the time."""
    return await closures.lift(closure_id, by=caller)
