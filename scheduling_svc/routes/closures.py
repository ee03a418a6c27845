"""Closures of the clinic over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from scheduling_svc.domain.leaves import Closure
from scheduling_svc.domain.refusals import AlreadyOver, NoSuchClosure, RangeReversed, RangeTooLong
from scheduling_svc.schemas import CloseClinic, ClosedOut, ClosureOut
from scheduling_svc.usecases.closures import Closed, Closures
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/closures", tags=["Administration"])


UseCases = Annotated[Closures, use_case(Closures)]


@router.post(
    "", response_model=ClosedOut, status_code=201, responses=refusals(RangeReversed, RangeTooLong, AlreadyOver), summary="Close the clinic"
)
async def close_clinic(body: CloseClinic, caller: Admin, once: OperationId, closures: UseCases) -> Closed:
    """At most 31 days. Every doctor concerned is blocked, also one who comes later; appointments in its time stay, and are told."""
    return await closures.close(body.closure(once.id, caller.id, closures.now()))


@router.get("", response_model=Page[ClosureOut], responses=refusals(BadCursor), summary="Closures, the latest first")
async def list_closures(_caller: Admin, paging: Paged, closures: UseCases) -> Page[Closure]:
    rows = await closures.listed(paging.limit, paging.after)
    return paging.page(rows, lambda closure: (closure.starts_at.isoformat(), closure.id))


@router.get("/{closure_id}", response_model=ClosureOut, responses=refusals(NoSuchClosure), summary="A closure")
async def show_closure(closure_id: UUID, _caller: Admin, closures: UseCases) -> Closure:
    """One that was lifted is none any more."""
    return await closures.find(closure_id)


@router.delete("/{closure_id}", status_code=204, responses=refusals(NoSuchClosure), summary="Lift a closure")
async def lift_closure(closure_id: UUID, _caller: Admin, closures: UseCases) -> None:
    """The time reopens."""
    return await closures.lift(closure_id)
