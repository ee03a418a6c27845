"""Keyset pagination in SQL: the rows that follow a sort key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_


def rows_after(columns: Sequence[ColumnElement[Any]], key: Sequence[Any], *, descending: bool = False) -> ColumnElement[bool]:
    """Return the condition for rows that come after `key` in the order of `columns`, all ascending or all descending.

    It is written as ORs of ANDs, because MariaDB uses no index for a row-value comparison.
    """
    alternatives = []
    for position, (column, value) in enumerate(zip(columns, key, strict=True)):
        is_equal_before = [earlier == earlier_value for earlier, earlier_value in zip(columns[:position], key[:position], strict=True)]
        alternatives.append(and_(*is_equal_before, column < value if descending else column > value))
    return or_(*alternatives)
