"""The parameters of pages of lists. Requests for pages and their cursors are in `shared.kit.cursors`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query

from shared.contracts.pages import Page as Page
from shared.kit.cursors import DEFAULT_LIMIT as DEFAULT_LIMIT
from shared.kit.cursors import MAX_CURSOR_LENGTH as MAX_CURSOR_LENGTH
from shared.kit.cursors import MAX_LIMIT as MAX_LIMIT
from shared.kit.cursors import BadCursor as BadCursor
from shared.kit.cursors import PageRequest as PageRequest
from shared.kit.cursors import decode_cursor as decode_cursor
from shared.kit.cursors import encode_cursor as encode_cursor
from shared.kit.cursors import parse_instant as parse_instant
from shared.kit.cursors import parse_sort_key as parse_sort_key

CURSOR_SCHEMA: dict[str, Any] = {
    "pattern": "^[A-Za-z0-9_-]*$"
}  # for the OpenAPI document only; any text that is not a cursor is refused as BadCursor
Cursor = Annotated[
    str, Query(max_length=MAX_CURSOR_LENGTH, description="The `next` of the previous page.", json_schema_extra=CURSOR_SCHEMA)
]


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    after: Cursor | None = None,
) -> PageRequest:
    return PageRequest(limit, decode_cursor(after) if after else None)


Paged = Annotated[PageRequest, Depends(_page_request)]
