"""The audit trail over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from admin_svc.domain.audit import AuditFilter, AuditLine
from admin_svc.domain.audit_chain import DayHead
from admin_svc.schemas import AuditAction, AuditHeadOut, AuditLineOut
from admin_svc.usecases.audit import AuditTrail
from admin_svc.usecases.audit_heads import AuditHeads
from shared.contracts.ranges import RangeReversed
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.csv_export import CSV_CONTENT, with_page_or_csv
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/audit", tags=["Administration"])
UseTrail = Annotated[AuditTrail, use_case(AuditTrail)]
UseHeads = Annotated[AuditHeads, use_case(AuditHeads)]


async def read_filter(
    actor: Annotated[UUID | None, Query(description="The account that did it.")] = None,
    action: Annotated[AuditAction | None, Query(description="What was done, as `noun.verb`.")] = None,
    subject: Annotated[
        UUID | None, Query(description="The person whose data it is about, also by ids of patients merged into this one.")
    ] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Done then or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Done before.")] = None,
) -> AuditFilter:
    """Return the filters of the audit trail. Raises RangeReversed."""
    return AuditFilter(actor, action, None if subject is None else (subject,), since, until)


Filter = Annotated[AuditFilter, Depends(read_filter)]


@router.get(
    "",
    operation_id="list_audit_lines",
    response_model=Page[AuditLineOut],
    responses=CSV_CONTENT | refusals(BadCursor, RangeReversed),
    summary="List who read or changed what",
)
async def list_audit_lines(
    request: Request, response: Response, _caller: Admin, paging: Paged, wanted: Filter, trail: UseTrail
) -> Page[AuditLine] | Response:
    """Reads of health data, refused ones included, and changes; newest first. Filters of different names must all match.

    A line appears within seconds of what it reports. Lines are never changed, and deleted only when
    they are older than the clinic keeps them. With `Accept: text/csv` the page is a table, and the header `Link` names the next page.
    """
    lines = await trail.list_lines(wanted, paging.limit, paging.after)
    page = paging.page(lines, lambda line: (line.at.isoformat(), line.id))
    return with_page_or_csv(request, response, page, AuditLineOut)


@router.get(
    "/heads",
    operation_id="list_audit_heads",
    response_model=Page[AuditHeadOut],
    responses=CSV_CONTENT | refusals(BadCursor),
    summary="List the signed heads of the audit trail",
)
async def list_audit_heads(
    request: Request, response: Response, _caller: Admin, paging: Paged, heads: UseHeads
) -> Page[DayHead] | Response:
    """The hash of the last line of each day (UTC) that has ended and has lines, newest first.

    Whoever keeps copies of the heads elsewhere can prove later that the lines of these days are still the same.
    """
    page = paging.page(await heads.list_heads(paging.limit, paging.after), lambda head: (head.day.isoformat(),))
    return with_page_or_csv(request, response, page, AuditHeadOut)
