"""The agenda of the caller over HTTP, and the subscription to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from scheduling_svc.domain.agenda import AgendaEntry
from scheduling_svc.schemas import AgendaEntryOut, FeedOut
from scheduling_svc.usecases.agenda import Agenda
from scheduling_svc.usecases.feeds import FeedLink, Feeds
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import Account
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import forbid_storing, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/calendar", tags=["Calendar"])
UseAgenda = Annotated[Agenda, use_case(Agenda)]
UseFeeds = Annotated[Feeds, use_case(Feeds)]


@router.get(
    "",
    operation_id="list_agenda",
    response_model=Page[AgendaEntryOut],
    responses=refusals(RangeReversed, RangeTooLong, BadCursor),
    summary="List your own agenda",
)
async def list_agenda(
    request: Request,
    response: Response,
    caller: Account,
    paging: Paged,
    agenda: UseAgenda,
    begins: Annotated[Instant | None, Query(alias="from", description="Default: now.")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included; default: 14 days later; at most 62 days.")] = None,
) -> Page[AgendaEntry]:
    """Appointments as patient and as doctor, and the leaves and closures of a doctor, that overlap the range, in the order of start.

    The agenda is that of one person: guardians find the visits of dependants under `GET /appointments`, not here and not in the feed.
    """
    entries = await agenda.list_entries(caller.id, begins, ends, limit=paging.limit, after=paging.after)
    return with_next_link(request, response, paging.page(entries, lambda entry: (entry.starts_at.isoformat(), entry.id)))


@router.post(
    "/feed", operation_id="subscribe_calendar", response_model=FeedOut, status_code=201, summary="Create a link for calendar programs"
)
async def subscribe_calendar(response: Response, caller: Account, feeds: UseFeeds) -> FeedLink:
    """Anyone who has the link can see when you are busy, and nothing else. It is shown once; a new link ends the previous one."""
    forbid_storing(response)  # The link is a secret.
    return await feeds.subscribe(caller.id)


@router.delete("/feed", operation_id="revoke_calendar", status_code=204, summary="Delete the link")
async def revoke_calendar(caller: Account, feeds: UseFeeds) -> None:
    """The link that was given out shows nothing any more."""
    return await feeds.revoke(caller.id)
