"""Pages that a neighbour cuts: `limit` and `after` go there as they came."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import Query

from admin_svc.ports import Listed
from shared.kit.paging import Page

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=100)]
After = Annotated[str | None, Query(max_length=512)]


def as_page(listed: Listed[T]) -> Page[T]:
    return Page(items=listed.items, next=listed.next)
