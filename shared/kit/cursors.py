"""Requests for pages of lists, and their opaque cursors over a stable order whose last column is an id."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from shared.contracts.pages import Page
from shared.contracts.refusals import Invalid

Row = TypeVar("Row")
DEFAULT_LIMIT, MAX_LIMIT, MAX_CURSOR_LENGTH = 25, 100, 1200  # the cursor after a name of 200 characters of four bytes has 1,126


class BadCursor(Invalid):
    """Raised when `after` is not a cursor of this list."""

    code = "bad_cursor"
    detail = "`after` is not a cursor of this list."
    remedy = "Begin again without `after`. A cursor belongs to one list in one order, and is passed on unchanged."
    example_pointers = ("/after",)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page that a caller requests: `limit` items after the sort key `after` (texts, the id last), or the first page if it is None."""

    limit: int = DEFAULT_LIMIT
    after: tuple[str, ...] | None = None

    def page(self, rows: Sequence[Row], key: Callable[[Row], tuple[Any, ...]]) -> Page[Row]:
        """Return the page with the first `limit` of `rows`. Fetch `limit + 1` rows: the last one only shows that there is a next page."""
        items = list(rows[: self.limit])
        has_more = len(rows) > self.limit
        return Page(items=items, next=encode_cursor(key(items[-1])) if has_more else None)


def encode_cursor(key: tuple[Any, ...]) -> str:
    """Return the cursor of a sort key."""
    text = json.dumps([str(part) if part is not None else None for part in key], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, ...]:
    """Return the sort key of a cursor as texts. Raises BadCursor."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = json.loads(text)
        json.dumps(key, ensure_ascii=False).encode()  # fails for a lone surrogate, which the database would not accept
    except (binascii.Error, ValueError, RecursionError):
        raise BadCursor(pointer="/after") from None
    if not isinstance(key, list) or not key or not all(isinstance(part, str) for part in key):
        raise BadCursor(pointer="/after")
    return tuple(key)


def parse_sort_key(after: tuple[str, ...], *parsers: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return the parts of a sort key, each parsed by its parser (`str`, `int`, `UUID`, `parse_instant`). Raises BadCursor."""
    try:
        return tuple(parse(part) for parse, part in zip(parsers, after, strict=True))
    except (ValueError, OverflowError):
        raise BadCursor(pointer="/after") from None


def parse_instant(text: str) -> datetime:
    """Return an instant of a sort key in UTC. Raises ValueError or OverflowError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def parse_instant_and_id(after: tuple[str, ...]) -> tuple[datetime, UUID]:
    """Return the sort key of a list in the order of an instant and an id. Raises BadCursor."""
    instant, item_id = parse_sort_key(after, parse_instant, UUID)
    return instant, item_id
