"""Repeating a change of an appointment when another request or job has changed it meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from appointment_svc.ports import RowChanged
from shared.contracts.refusals import Unavailable

T = TypeVar("T")
ATTEMPTS = 10


async def retry_on_row_changed(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, which reads the appointment and saves it, and again after each RowChanged. Raise Unavailable after ATTEMPTS runs."""
    for _ in range(ATTEMPTS):
        with suppress(RowChanged):
            return await work()
    raise Unavailable("This appointment is changed too often at the moment.", retry_after=1)
