"""When a copy of an appointment in another service must be the same as the appointment.

A copy follows the events of the appointment. The appointment is read, then the copy with the inbox of its service in one snapshot, then the
appointment again. If nothing was written to the appointment in between, and the inbox has every event that is stored in it, then the copy
must show what the appointment shows. Otherwise an event is on its way, which the checks of events judge.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.inboxes import find_known_since
from careslot.auditor.sql_store import select_in
from careslot.auditor.stores import Stores, infrastructure_of
from shared.contracts.identity import Service


@dataclass(frozen=True, slots=True)
class HandledEvents:
    """Which events a service has handled: the events in its inbox (`ids`), and all up to `known_since`, which may be deleted from it."""

    ids: frozenset[UUID]
    known_since: datetime | None

    def include_all_of(self, appointment: AppointmentFacts) -> bool:
        """Return whether every event of an appointment was handled."""
        if appointment.unreadable_events:
            return False
        return all(event.id in self.ids or self._is_too_old(event.occurred_at) for event in appointment.events)

    def _is_too_old(self, occurred_at: datetime) -> bool:
        return self.known_since is not None and occurred_at <= self.known_since


async def read_handled(
    stores: Stores, service: Service, connection: AsyncConnection, appointments: Collection[AppointmentFacts]
) -> HandledEvents:
    """Return which events of some appointments a service has handled, as of the snapshot of a connection."""
    inbox = infrastructure_of(service).inbox
    wanted = [event.id for appointment in appointments for event in appointment.events]
    rows = await select_in(connection, select(inbox.c.event_id), inbox.c.event_id, wanted)
    return HandledEvents(frozenset(row.event_id for row in rows), await find_known_since(stores, service))


def is_settled(before: AppointmentFacts | None, after: AppointmentFacts | None) -> bool:
    """Return whether an appointment exists, was the same at both reads, and waits for nothing."""
    return before is not None and after is not None and before.edition == after.edition and not after.has_intent
