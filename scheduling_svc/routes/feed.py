"""The subscription to an agenda, as calendar programs read it.

These programs add query parameters of their own against caches, and some send the credentials of another account. The link alone grants
access, so this route is a plain one: it looks at neither.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from scheduling_svc.domain.feeds import TOKEN_PATTERN
from scheduling_svc.domain.refusals import NoSuchFeed
from scheduling_svc.usecases.feeds import FeedContent, Feeds
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = APIRouter(prefix="/calendar", tags=["Calendar"])
ICALENDAR_TYPE = "text/calendar; charset=utf-8"
HTTP_DATE: dict[str, Any] = {"type": "string", "examples": ["Fri, 06 Mar 2026 08:15:00 GMT"]}
LAST_MODIFIED = {"Last-Modified": {"description": "When the calendar last changed, for `If-Modified-Since`.", "schema": HTTP_DATE}}
ICALENDAR_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "iCalendar (RFC 5545)",
        "headers": LAST_MODIFIED,
        "content": {"text/calendar": {"schema": {"type": "string"}}},
    },
    304: {"description": "Not modified", "headers": LAST_MODIFIED},
}
IF_MODIFIED_SINCE = {
    "name": "If-Modified-Since",
    "in": "header",
    "required": False,
    "description": "The `Last-Modified` that you have. While nothing has changed since, the answer is 304. Not used with `If-None-Match`.",
    "schema": HTTP_DATE,
}

Token = Annotated[str, Path(json_schema_extra={"pattern": f"^{TOKEN_PATTERN}$"})]
UseFeeds = Annotated[Feeds, use_case(Feeds)]


@router.get(
    "/feed/{token}.ics",
    operation_id="read_calendar",
    response_class=Response,
    responses=ICALENDAR_RESPONSES | refusals(NoSuchFeed),
    openapi_extra={"parameters": [IF_MODIFIED_SINCE]},
    summary="Get the calendar of a link as an iCalendar file",
)
async def read_calendar(request: Request, token: Token, feeds: UseFeeds) -> Response:
    """Busy times from 30 days back to 366 days ahead, without names or reasons."""
    return _response(request, await feeds.read(token))


def _response(request: Request, content: FeedContent) -> Response:
    """Return the calendar, or 304 if it has not changed since If-Modified-Since. ContentMiddleware answers HEAD and If-None-Match."""
    headers = {
        "ETag": content.tag,
        "Last-Modified": format_datetime(content.changed_at, usegmt=True),
        "Cache-Control": "private, max-age=300",
    }
    if _is_unmodified(request, content):
        return Response(status_code=304, headers=headers)
    return Response(content.body, media_type=ICALENDAR_TYPE, headers=headers)


def _is_unmodified(request: Request, content: FeedContent) -> bool:
    """Return True if the content has not changed since If-Modified-Since, which counts only without If-None-Match (RFC 9110, 13.1.3)."""
    since: datetime | None = None
    with suppress(ValueError):
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    return "if-none-match" not in request.headers and since is not None and since.tzinfo is not None and content.changed_at <= since
