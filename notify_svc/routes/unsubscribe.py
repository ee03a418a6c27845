"""The links that end reminders and digests. Programs of mail providers POST to them (RFC 8058), people see a page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response

from notify_svc.domain.refusals import NoSuchUnsubscribeLink
from notify_svc.domain.unsubscribe_links import TOKEN_PATTERN
from notify_svc.routes.unsubscribe_pages import UnsubscribeRoute, ended_response, question_response
from notify_svc.schemas.preferences import OneClickForm, SubscriptionOut
from notify_svc.usecases.unsubscribe import Unsubscribing
from shared.contracts.refusals import Unavailable
from shared.kit.pages import PAGE, with_pages
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = APIRouter(prefix="/unsubscribe/{token}", tags=["Notifications"], route_class=UnsubscribeRoute)
Token = Annotated[str, Path(json_schema_extra={"pattern": f"^{TOKEN_PATTERN}$"})]
UseLinks = Annotated[Unsubscribing, use_case(Unsubscribing)]


@router.get(
    "",
    operation_id="read_unsubscribe_link",
    response_model=SubscriptionOut,
    responses=with_pages(PAGE, refusals(NoSuchUnsubscribeLink)),
    summary="Get what an unsubscribe link ends",
)
async def read_unsubscribe_link(request: Request, token: Token, links: UseLinks) -> Response:
    """JSON if `Accept` names `application/json`, else a page with a button. Changes nothing, because scanners of mails open links."""
    return question_response(request, links.read(token), links.clinic().locale)


@router.post(
    "",
    operation_id="unsubscribe",
    response_model=SubscriptionOut,
    responses=with_pages(PAGE, refusals(NoSuchUnsubscribeLink, Unavailable)),
    summary="End the reminders or the digest of a link",
)
async def unsubscribe(request: Request, token: Token, form: Annotated[OneClickForm, Form()], links: UseLinks) -> Response:
    """Ends what the link names, and changes nothing else. Doing it twice is the same as once. All other mails are still sent."""
    return ended_response(request, await links.unsubscribe(token), links.clinic().locale)
