"""Which events of an appointment have arrived, so that webhooks receive them in order although the bus may change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from notify_svc.domain.webhook_deliveries import WAIT_FOR_EARLIER
from shared.contracts.events import AppointmentEvent

MAX_AHEAD = 50
"""More events than one appointment has within WAIT_FOR_EARLIER."""


@dataclass(frozen=True, slots=True)
class EventSequence:
    """All events of an appointment up to number `complete_until` have arrived, or are no longer waited for.

    `ahead` are the numbers of those that came before an earlier one, with the instants when they came.
    """

    appointment_id: UUID
    complete_until: int = 0
    ahead: tuple[tuple[int, datetime], ...] = ()

    @classmethod
    def starting_with(cls, event: AppointmentEvent, known_version: int | None) -> Self:
        """Return the sequence of an appointment before the first event that is counted here.

        `known_version` is the version of the newest event that was handled before, for example before there was a webhook. The versions in
        between are those of the events that are missing.
        """
        missing = event.version - (known_version or 0)
        return cls(event.appointment_id, max(0, event.event_number - max(missing, 1)) if known_version else 0)

    def without_unrecorded(self, event: AppointmentEvent, known_version: int | None) -> Self:
        """Return the sequence without waiting for events that were handled, but not recorded here because there were no webhooks.

        `known_version` is the version of the newest event that was handled before.
        """
        newest = max([self.complete_until, *(number for number, _ in self.ahead)])
        handled = self.starting_with(event, known_version).complete_until
        if known_version is None or known_version >= event.version or handled <= newest:
            return self
        return replace(self, complete_until=handled, ahead=())

    def is_complete_before(self, number: int) -> bool:
        """Return whether no event before this number is waited for. Number 0 stands for an event without a number."""
        return number <= self.complete_until + 1

    def record(self, number: int, now: datetime) -> Self:
        """Return the sequence after the arrival of an event.

        An event that was waited for until now, WAIT_FOR_EARLIER after a later one came, is no longer waited for.
        """
        if number <= self.complete_until:
            return self
        ahead = dict(self.ahead) | ({} if number in dict(self.ahead) else {number: now})
        given_up = [other for other, came_at in ahead.items() if now - came_at >= WAIT_FOR_EARLIER]
        complete_until = max([self.complete_until, *given_up])
        while complete_until + 1 in ahead:
            complete_until += 1
        left = sorted((other, came_at) for other, came_at in ahead.items() if other > complete_until)
        return replace(self, complete_until=complete_until, ahead=tuple(left[-MAX_AHEAD:]))
