"""Stored rows and documents that this release cannot read, for example because a newer release wrote them before it was rolled back.

A job leaves such an item as it is and goes on with the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import ValidationError

from shared.kit.logs import log_event

Row = TypeVar("Row")
Item = TypeVar("Item")


def log_unreadable(kind: str, item_id: object, error: Exception) -> None:
    """Log a stored item that cannot be read: its kind, its id and the error's type, because the error's text may have personal data.

    For a ValidationError the fields that are not valid are logged, too.
    """
    fields = sorted({str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}) if isinstance(error, ValidationError) else []
    log_event("stored_item_unreadable", logging.ERROR, kind=kind, id=str(item_id), reason=type(error).__name__, fields=fields)


def read_rows(kind: str, rows: Iterable[Row], read: Callable[[Row], Item], id_of: Callable[[Row], object]) -> list[Item]:
    """Return what `read` makes of each row, without the rows for which it raises an exception; these are logged."""
    items = list[Item]()
    for row in rows:
        try:
            items.append(read(row))
        except Exception as error:
            log_unreadable(kind, id_of(row), error)
    return items
