"""Comparing the events that were handled with the changes in appointment-service, because a broker can lose confirmed events."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from notify_svc.ports.comparison import AppointmentChanges, ComparisonStore
from shared.contracts.appointment_changes import AppointmentChange
from shared.contracts.events import AppointmentEvent, Event
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_transaction
from shared.kit.unreadable import log_unreadable

TIME_TO_ARRIVE = timedelta(minutes=10)
"""An event that was not handled after this time counts as lost."""
MAX_AGE = timedelta(days=7)
"""appointment-service keeps events as long, and the inbox of this service twice as long, so that no event is handled twice."""
OVERLAP = timedelta(minutes=2)
"""This much is compared again, because a change may be stored later than its own time stamp."""


@dataclass(frozen=True, slots=True)
class AppointmentComparison:
    """Handles the events that did not arrive, with their own ids, so that a late delivery of one changes nothing.

    The instant until which everything was compared is stored, so that after an outage the comparison goes on where it ended.
    `count_missing` counts the events that had not arrived.
    """

    store: ComparisonStore
    changes: AppointmentChanges
    handle: Callable[[AppointmentEvent], Awaitable[None]]
    now: Clock
    count_missing: Callable[[], None]

    async def compare(self) -> int:
        """Handle the events that are missing, and return their number.

        When appointment-service does not answer, the next run goes on where this one ended. An event that cannot be handled now is tried
        again by the next run, which begins with it.
        """
        now = self.now()
        stored = await retry_transaction(self.store.find_compared_until)
        oldest, latest, count, after = now - MAX_AGE, now - TIME_TO_ARRIVE, 0, None
        since = oldest if stored is None else max(stored - OVERLAP, oldest)
        first_failed_at = latest
        try:
            while True:
                page = await self.changes.list_changes(since, after)
                handled, failed_at = await self._handle_missing(page.items, oldest, latest)
                count += handled
                first_failed_at = min(first_failed_at, failed_at or latest)
                end_of_page = page.items[-1].changed_at if page.next is not None and page.items else latest
                await retry_transaction(partial(self.store.save_compared_until, min(end_of_page, first_failed_at)))
                if page.next is None:
                    return count
                after = page.next
        except Refusal as refusal:
            log_event("comparison_postponed", code=refusal.code)
            return count

    async def _handle_missing(
        self, changes: Sequence[AppointmentChange], oldest: datetime, latest: datetime
    ) -> tuple[int, datetime | None]:
        """Handle the missing events of some changes. Return how many there were, and the instant of the first change that failed."""
        due = [(change, event) for change in changes for event in _read_events(change) if oldest < event.occurred_at <= latest]
        known = await self._list_handled([event.id for _, event in due])
        count, failed_at = 0, None
        for change, event in due:
            if event.id in known:
                continue
            try:
                await self.handle(event)
            except Exception as error:
                log_event("missing_event_failed", logging.ERROR, error=error, event=str(event.id))
                failed_at = failed_at or change.changed_at
                continue
            log_event("missing_event_handled", logging.WARNING, event=str(event.id), topic=event.topic)
            self.count_missing()
            count += 1
        return count, failed_at

    async def _list_handled(self, event_ids: list[UUID]) -> set[UUID]:
        return await retry_transaction(lambda: self.store.list_handled(event_ids)) if event_ids else set()


def _read_events(change: AppointmentChange) -> Iterator[AppointmentEvent]:
    """Yield the events of a change; those that cannot be read are logged and left out."""
    for envelope in change.events:
        try:
            yield _read_event(envelope)
        except Exception as error:
            log_unreadable("event", change.appointment_id, error)


def _read_event(envelope: dict[str, Any]) -> AppointmentEvent:
    event = Event.from_cloudevent(envelope)
    if not isinstance(event, AppointmentEvent):
        raise TypeError(f"{event.topic} is not about an appointment")
    return event
