"""Lists as CSV (RFC 4180), for clients that accept `text/csv`. A spreadsheet program runs none of the values as a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from shared.contracts.pages import Page
from shared.kit.content_negotiation import names_media_type
from shared.kit.response_headers import with_next_link

CSV_TYPE = "text/csv"
CSV_CONTENT: dict[int | str, dict[str, Any]] = {200: {"content": {CSV_TYPE: {"schema": {"type": "string"}}}}}
"""The part of `responses=` of a route that also answers with CSV."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""The first characters for which a spreadsheet program takes a value for a formula."""
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
    text = csv_text(list(schema.model_fields), rows)
    return Response(text, media_type=f"{CSV_TYPE}; charset=utf-8; header=present", headers=dict(response.headers))


def csv_text(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a table with a header line. Null is an empty value; objects and lists are JSON."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([safe_value(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def safe_value(value: Any) -> Any:
    """Return a value as it is written. A text that a spreadsheet program would run as a formula begins with an apostrophe."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else value
