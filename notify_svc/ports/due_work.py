"""Which jobs have something to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DueWork:
    """Whether messages, deliveries of webhooks, visits to plan and reminders are due."""

    messages: bool
    deliveries: bool
    visits: bool
    reminders: bool


class DueWorkStore(Protocol):
    """Tells what is due."""

    async def find_due_work(self, now: datetime, abandoned_before: datetime) -> DueWork:
        """Return what is due. Deliveries that were taken before `abandoned_before` are due again."""
