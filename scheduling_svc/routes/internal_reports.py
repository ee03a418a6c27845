"""Routes for admin-service, which makes the reports."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from scheduling_svc.domain.offered_time import OfferedTimeQuery
from scheduling_svc.usecases.report_figures import ReportFigures
from shared.contracts.availability import MAX_NEXT, OfferedTime, ServiceAvailability, TimeUnit
from shared.contracts.identity import Caller, Service
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.values import Instant, TimeZone
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.paging import BadCursor, Page, Paged, PageRequest, parse_sort_key
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/internal", internal=True)
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]
UseFigures = Annotated[ReportFigures, use_case(ReportFigures)]


async def read_query(
    begins: Annotated[Instant, Query(alias="from")], ends: Annotated[Instant, Query(alias="to")], time_zone: TimeZone, unit: TimeUnit
) -> OfferedTimeQuery:
    """Return the range, and by what its minutes are summed. Raises RangeReversed or RangeTooLong."""
    return OfferedTimeQuery(begins, ends, time_zone, unit)


Offered = Annotated[OfferedTimeQuery, Depends(read_query)]


@router.get(
    "/offered-time",
    response_model=Page[OfferedTime],
    responses=refusals(BadCursor, RangeReversed, RangeTooLong),
    summary="List the minutes that doctors offer",
)
async def list_offered_time(_caller: AdminService, query: Offered, paging: Paged, figures: UseFigures) -> Page[OfferedTime]:
    rows = await figures.list_offered(query, paging.limit + 1, _after(paging))
    return paging.page(rows, lambda row: (row.doctor_id,))


@router.get(
    "/available-appointments",
    response_model=Page[ServiceAvailability],
    responses=refusals(BadCursor),
    summary="List the next free appointments of services",
)
async def list_available_appointments(
    _caller: AdminService, count: Annotated[int, Query(ge=1, le=MAX_NEXT)], paging: Paged, figures: UseFigures
) -> Page[ServiceAvailability]:
    rows = await figures.list_next_available(count, paging.limit + 1, _after(paging))
    return paging.page(rows, lambda row: (row.service_id,))


def _after(paging: PageRequest) -> UUID | None:
    return parse_sort_key(paging.after, UUID)[0] if paging.after else None
