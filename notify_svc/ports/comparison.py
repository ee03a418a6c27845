"""What the comparison with appointment-service needs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.contracts.appointment_changes import AppointmentChange
from shared.contracts.pages import Page


class AppointmentChanges(Protocol):
    """The list of changes of appointment-service."""

    async def list_changes(self, since: datetime, after: str | None) -> Page[AppointmentChange]:
        """Return a page of the appointments that have changed since an instant, the earliest change first, after the cursor `after`.

        Raise Unavailable when appointment-service does not answer.
        """


class ComparisonStore(Protocol):
    """Which events were handled, and until when they were compared."""

    async def find_compared_until(self) -> datetime | None:
        """Return the instant until which all changes were compared, or None before the first comparison."""

    async def save_compared_until(self, instant: datetime) -> None:
        """Store the instant until which all changes were compared."""

    async def list_handled(self, event_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the events that were handled."""
