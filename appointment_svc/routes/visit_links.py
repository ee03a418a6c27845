"""The links in mails: showing, confirming and cancelling a visit. JSON for apps, a page for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from appointment_svc.domain.refusals import IllegalMove, NoSuchVisitLink, TooLate, VisitChanged, VisitLinkExpired
from appointment_svc.domain.visit_links import TOKEN_PATTERN
from appointment_svc.routes.visit_pages import VisitRoute, visit_response
from appointment_svc.schemas import VisitOut
from appointment_svc.usecases.visit_links import LinkedVisits
from shared.contracts.refusals import Unavailable
from shared.kit.examples import example_with
from shared.kit.pages import PAGE, with_pages
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = APIRouter(prefix="/visit/{token}", tags=["Appointments"], route_class=VisitRoute)
REFUSALS = (NoSuchVisitLink, VisitLinkExpired, Unavailable)
CONFIRMED = example_with(200, confirmed_at="2026-03-06T08:15:00Z", can_confirm=False)
CANCELLED = example_with(200, status="cancelled", sequence=1, can_confirm=False, can_cancel=False)

Token = Annotated[str, Path(json_schema_extra={"pattern": f"^{TOKEN_PATTERN}$"})]
Sequence = Annotated[
    int | None,
    Query(ge=0, le=2**31 - 1, description="The `sequence` that you have read: if the visit has changed since, nothing is done."),
]
UseLinks = Annotated[LinkedVisits, use_case(LinkedVisits)]


@router.get(
    "",
    operation_id="read_visit",
    response_model=VisitOut,
    responses=with_pages(PAGE, refusals(*REFUSALS)),
    summary="Get the visit of a link",
)
async def read_visit(request: Request, token: Token, visits: UseLinks) -> Response:
    """Date, time, clinic and doctor. JSON if `Accept` names `application/json`, else a page. Changes nothing.

    The link works until the visit begins, is cancelled or ends otherwise; after a move it shows the new time.
    """
    return visit_response(request, await visits.read(token))


@router.post(
    "/confirm",
    operation_id="confirm_visit",
    response_model=VisitOut,
    responses=with_pages(PAGE | CONFIRMED, refusals(*REFUSALS, IllegalMove, VisitChanged)),
    summary="Confirm the visit of a link",
)
async def confirm_visit(request: Request, token: Token, visits: UseLinks, sequence: Sequence = None) -> Response:
    """Records that the patient will come. Confirming twice is the same as once. A move clears the confirmation."""
    return visit_response(request, await visits.confirm(token, sequence))


@router.post(
    "/cancel",
    operation_id="cancel_visit",
    response_model=VisitOut,
    responses=with_pages(PAGE | CANCELLED, refusals(*REFUSALS, IllegalMove, TooLate, VisitChanged)),
    summary="Cancel the visit of a link",
)
async def cancel_visit(request: Request, token: Token, visits: UseLinks, sequence: Sequence = None) -> Response:
    """Cancels by the usual rules and cut-offs. After it, the link has expired."""
    return visit_response(request, await visits.cancel(token, sequence))
