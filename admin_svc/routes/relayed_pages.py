"""Parameters of lists whose pages another service makes: `limit` and `after` are passed on to it unchanged."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from shared.kit.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
After = Annotated[str | None, Query(max_length=MAX_CURSOR_LENGTH)]

__all__ = ["DEFAULT_LIMIT", "After", "Limit"]
