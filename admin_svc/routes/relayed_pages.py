"""Parameters of lists whose pages another service makes: `limit` and `after` are passed on to it unchanged."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from shared.kit.paging import DEFAULT_LIMIT, MAX_LIMIT, Cursor

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
After = Cursor | None

__all__ = ["DEFAULT_LIMIT", "After", "Limit"]
