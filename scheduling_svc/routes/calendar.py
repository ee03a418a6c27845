"""The agenda of the caller over HTTP, and the subscription to it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request, Response

from scheduling_svc.domain.agenda import AgendaEntry
from scheduling_svc.domain.feeds import TOKEN
from scheduling_svc.domain.refusals import NoSuchFeed
from scheduling_svc.schemas import AgendaEntryOut, FeedOut
from scheduling_svc.usecases.agenda import Agenda
from scheduling_svc.usecases.feeds import FeedLink, Feeds
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import Account
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/calendar", tags=["Calendar"])
ICALENDAR_TYPE = "text/calendar; charset=utf-8"
ICALENDAR_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "iCalendar (RFC 5545)", "content": {"text/calendar": {"schema": {"type": "string"}}}}
}

Token = Annotated[str, Path(json_schema_extra={"pattern": f"^{TOKEN}$"})]
UseAgenda = Annotated[Agenda, use_case(Agenda)]
UseFeeds = Annotated[Feeds, use_case(Feeds)]


@router.get("", response_model=Page[AgendaEntryOut], responses=refusals(RangeReversed, RangeTooLong, BadCursor), summary="One's own agenda")
async def list_agenda(
    request: Request,
    response: Response,
    caller: Account,
    paging: Paged,
    agenda: UseAgenda,
    begins: Annotated[Instant | None, Query(alias="from", description="Default: now.")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included; default: 14 days later; at most 62 days.")] = None,
) -> Page[AgendaEntry]:
    """Appointments as patient and as doctor, and the leaves and closures of a doctor, that overlap the range, in the order of start."""
    entries = await agenda.list_entries(caller.id, begins, ends, limit=paging.limit, after=paging.after)
    return with_next_link(request, response, paging.page(entries, lambda entry: (entry.starts_at.isoformat(), entry.id)))


@router.post("/feed", response_model=FeedOut, status_code=201, summary="A link for calendar programs")
async def subscribe_calendar(response: Response, caller: Account, feeds: UseFeeds) -> FeedLink:
    """Anyone who has the link can see when you are busy, and nothing else. It is shown once; a new link ends the previous one."""
    response.headers["Cache-Control"] = "no-store"  # The link is a secret: the response to a keyed request is not stored either.
    return await feeds.subscribe(caller.id)


@router.delete("/feed", status_code=204, summary="End the link")
async def revoke_calendar(caller: Account, feeds: UseFeeds) -> None:
    return await feeds.revoke(caller.id)


@router.get(
    "/feed/{token}.ics",
    response_class=Response,
    responses=ICALENDAR_RESPONSE | refusals(NoSuchFeed),
    summary="The calendar behind a link",
)
async def read_calendar(token: Token, feeds: UseFeeds) -> Response:
    """Busy times from 30 days back to 366 days ahead, without names or reasons."""
    return Response(await feeds.read(token), media_type=ICALENDAR_TYPE, headers={"Cache-Control": "private, max-age=300"})
