"""Which services must have handled an event, and whether they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from careslot.auditor.stores import Stores, infrastructure_of
from shared.contracts.events import (
    TOPICS,
    AccountChanged,
    AccountInvited,
    AccountLocked,
    AppointmentEvent,
    AuditRecorded,
    BreakGlassOpened,
    DoctorChanged,
    Event,
    PasswordChanged,
    PasswordResetRequested,
    PatientChanged,
    PatientMerged,
    PreferencesChanged,
    ReminderSent,
    ServiceChanged,
    SettingsChanged,
)
from shared.contracts.identity import Service

KNOWN_FOR = timedelta(days=7)
"""The inbox keeps the ids of events twice as long, so a younger event that is not in the inbox was not handled."""

HANDLED_BY: Mapping[Service, tuple[type[Event], ...]] = {
    Service.AUTH: (PatientChanged, DoctorChanged),
    Service.PATIENT: (AccountChanged, AppointmentEvent),
    Service.DOCTOR: (AccountChanged,),
    Service.SCHEDULING: (DoctorChanged, ServiceChanged, AccountChanged),
    Service.ADMIN: (AuditRecorded, PatientMerged, ReminderSent),
    Service.NOTIFICATION: (
        *(AppointmentEvent, AccountInvited, PasswordResetRequested, PasswordChanged, AccountLocked, BreakGlassOpened),
        *(PatientChanged, PreferencesChanged, ServiceChanged, SettingsChanged),
    ),
}
"""The events that a service records in its inbox. Other events have effects that may be repeated, and are not recorded."""


@dataclass(frozen=True, slots=True)
class Unhandled:
    """An event that a service has not handled. `waits` is True if the event is in the queue of the service, or among its dead letters."""

    event_id: UUID
    service: Service
    occurred_at: datetime
    waits: bool


def consumers_of(topic: str) -> list[Service]:
    """Return the services that record the events of a topic."""
    event_type = TOPICS.get(topic)
    return [service for service, types in HANDLED_BY.items() if event_type is not None and issubclass(event_type, types)]


async def list_handled(stores: Stores, service: Service, event_ids: Iterable[UUID]) -> set[UUID]:
    """Return which events are in the inbox of a service."""
    inbox = infrastructure_of(service).inbox
    return {row.event_id for row in await stores.sql[service].fetch_in([inbox.c.event_id], inbox.c.event_id, event_ids)}


async def find_known_since(stores: Stores, service: Service) -> datetime | None:
    """Return the time since which the inbox of a service has every event that was handled, None if it has handled none."""
    inbox = infrastructure_of(service).inbox
    newest = (await stores.sql[service].fetch(select(func.max(inbox.c.handled_at))))[0][0]
    return max(newest, stores.now()) - KNOWN_FOR if newest is not None else None


async def _find_first_judged(stores: Stores, service: Service) -> datetime | None:
    """Return the time before which it is not known whether a service should have handled an event.

    A service does not get events that were published before it subscribed, at the first start of an installation.
    """
    inbox = infrastructure_of(service).inbox
    first = (await stores.sql[service].fetch(select(func.min(inbox.c.handled_at))))[0][0]
    oldest = await find_known_since(stores, service)
    return max(first, oldest) if first is not None and oldest is not None else None


async def list_unhandled(stores: Stores, events: Mapping[UUID, tuple[str, datetime]]) -> list[Unhandled]:
    """Return which of some published events were not handled, and by which service. `events` are topics and times by event id."""
    unhandled = list[Unhandled]()
    for service in HANDLED_BY:
        wanted = {event_id: at for event_id, (topic, at) in events.items() if service in consumers_of(topic)}
        if not wanted:
            continue
        since = await _find_first_judged(stores, service)
        known = {event_id for event_id, at in wanted.items() if since is not None and at > since}
        waiting = await stores.list_queued(service, {str(event_id) for event_id in known})
        missing = known - await list_handled(stores, service, known)  # read after the queue, where an event stays until it was handled
        dead = await _list_dead_letters(stores, service, missing)
        unhandled += [Unhandled(item, service, wanted[item], item in dead or str(item) in waiting) for item in sorted(missing)]
    return unhandled


async def _list_dead_letters(stores: Stores, service: Service, event_ids: Iterable[UUID]) -> set[UUID]:
    dead_letters = infrastructure_of(service).dead_letters
    return {row.event_id for row in await stores.sql[service].fetch_in([dead_letters.c.event_id], dead_letters.c.event_id, event_ids)}
