"""Answers as CSV for clients that accept `text/csv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from shared.contracts.pages import Page
from shared.kit.content_negotiation import names_media_type
from shared.kit.csv_text import csv_text
from shared.kit.response_headers import with_next_link

CSV_TYPE = "text/csv"
CSV_CONTENT: dict[int | str, dict[str, Any]] = {200: {"content": {CSV_TYPE: {"schema": {"type": "string"}}}}}
"""The part of `responses=` of a route that also answers with CSV."""
Row = TypeVar("Row")


def wants_csv(request: Request) -> bool:
    """Return whether `Accept` names CSV; all other clients get JSON."""
    return names_media_type(request.headers.get("accept", ""), CSV_TYPE)


def with_page_or_csv(request: Request, response: Response, page: Page[Row], schema: type[BaseModel]) -> Page[Row] | Response:
    """Return a page of a list as the client wants it, with the Link to the next page. `schema` is the response model of one item."""
    with_next_link(request, response, page)
    if not wants_csv(request):
        return page
    rows = (schema.model_validate(item).model_dump(mode="json") for item in page.items)
    return csv_response(response, list(schema.model_fields), rows)


def csv_response(response: Response, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """Return rows as CSV, with the headers that were set for the answer."""
    text = csv_text(columns, rows)
    return Response(text, media_type=f"{CSV_TYPE}; charset=utf-8; header=present", headers=dict(response.headers))
