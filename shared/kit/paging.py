"""Pages: opaque cursors over a stable order with an id tie-break."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from shared.contracts.refusals import Invalid

T = TypeVar("T")
R = TypeVar("R")


class BadCursor(Invalid):
    """`after` is not a cursor of this list."""

    code = "bad_cursor"
    detail = "`after` is not a cursor of this list."


@dataclass(frozen=True, slots=True)
class Paging:
    """How much of a list, and from where. `after` is the sort key of the last row seen, id last."""

    limit: int = 25
    after: tuple[Any, ...] | None = None

    def page(self, rows: Sequence[R], key: Callable[[R], tuple[Any, ...]]) -> Page[R]:
        """A page from up to `limit + 1` rows in order: fetch one more than asked for, so that `next` is honest."""
        items = list(rows[: self.limit])
        more = len(rows) > self.limit
        return Page(items=items, next=to_cursor(key(items[-1])) if more else None)


class Page(BaseModel, Generic[T]):
    """`next` is null on the last page."""

    model_config = ConfigDict(from_attributes=True, arbitrary_types_allowed=True)
    items: list[T]
    next: str | None = None


def next_of(result: object) -> str | None:
    """The cursor of a list that goes on: of a page, or of an answer whose `next` is the key of its last row."""
    following = getattr(result, "next", None)
    return to_cursor(following) if isinstance(following, tuple) else following


def to_cursor(key: tuple[Any, ...]) -> str:
    text = json.dumps([str(part) if part is not None else None for part in key], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> tuple[str, ...]:
    """The key of a cursor, as strings; BadCursor when it is none of ours."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = json.loads(text)
        json.dumps(key, ensure_ascii=False).encode()  # a lone surrogate would reach the database
    except (binascii.Error, ValueError, RecursionError):
        raise BadCursor(pointer="/after") from None
    if not isinstance(key, list) or not key or not all(isinstance(part, str) for part in key):
        raise BadCursor(pointer="/after")
    return tuple(key)


def _paging(limit: Annotated[int, Query(ge=1, le=100)] = 25, after: Annotated[str | None, Query(max_length=1536)] = None) -> Paging:
    return Paging(limit, from_cursor(after) if after else None)


Paged = Annotated[Paging, Depends(_paging)]
