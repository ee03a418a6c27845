"""One's own calendar over HTTP, and its subscription."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response

from scheduling_svc.domain.agenda import Entry
from scheduling_svc.domain.feeds import TOKEN
from scheduling_svc.domain.refusals import NoSuchFeed, RangeReversed, RangeTooLong
from scheduling_svc.schemas import EntryOut, FeedOut
from scheduling_svc.usecases.agenda import Agendas
from scheduling_svc.usecases.feeds import Feeds, Link
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import Account
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/calendar", tags=["Calendar"])
ICALENDAR = "text/calendar; charset=utf-8"
A_CALENDAR: dict[int | str, dict[str, Any]] = {
    200: {"description": "iCalendar (RFC 5545)", "content": {"text/calendar": {"schema": {"type": "string"}}}}
}


def _never_stored(response: Response) -> None:
    """The link is a secret: not even a repeated request is told it again."""
    response.headers["Cache-Control"] = "no-store"


Token = Annotated[str, Path(json_schema_extra={"pattern": f"^{TOKEN}$"})]
UseAgendas = Annotated[Agendas, use_case(Agendas)]
UseFeeds = Annotated[Feeds, use_case(Feeds)]


@router.get("", response_model=Page[EntryOut], responses=refusals(RangeReversed, RangeTooLong, BadCursor), summary="One's own agenda")
async def list_agenda(
    caller: Account,
    paging: Paged,
    agendas: UseAgendas,
    begins: Annotated[Instant | None, Query(alias="from", description="Default: now.")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included; default: 14 days later; at most 62 days.")] = None,
) -> Page[Entry]:
    """Appointments as patient and as doctor, a doctor's leaves and closures too, whose time overlaps the range; by start."""
    rows = await agendas.of(caller.id, begins, ends, paging.limit, paging.after)
    return paging.page(rows, lambda entry: (entry.starts_at.isoformat(), entry.id))


@router.post(
    "/feed", response_model=FeedOut, status_code=201, dependencies=[Depends(_never_stored)], summary="A link for calendar programs"
)
async def subscribe_calendar(caller: Account, feeds: UseFeeds) -> Link:
    """Whoever has the link can see when you are busy, and nothing else. It is told once; a new one ends the last."""
    return await feeds.subscribe(caller.id)


@router.delete("/feed", status_code=204, summary="End the link")
async def revoke_calendar(caller: Account, feeds: UseFeeds) -> None:
    return await feeds.revoke(caller.id)


@router.get("/feed/{token}.ics", response_class=Response, responses=A_CALENDAR | refusals(NoSuchFeed), summary="The calendar behind a link")
async def read_calendar(token: Token, feeds: UseFeeds) -> Response:
    """From 30 days back to 366 days ahead, without a word about whom or what for."""
    return Response(await feeds.read(token), media_type=ICALENDAR, headers={"Cache-Control": "private, max-age=300"})
