"""Every event waits or has arrived: a published event was handled by all services that record it.

An event is in the outbox until the bus has it on disk, and in the queue of a service until it was handled. So the queue is read before the
inbox. Where the queues are in a broker, an event that is not in the inbox counts as waiting until the bus would have given it up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import String, select, type_coerce

from appointment_svc.repository.documents import from_micros
from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.inboxes import Unhandled, list_unhandled
from careslot.auditor.findings import Finding, Key
from careslot.auditor.stores import Stores, infrastructure_of
from shared.contracts.identity import Service

NEWEST_STAYS_FOR = timedelta(days=6)
"""The newest event of an appointment stays in its document at least this long after the last change."""


@dataclass(frozen=True, slots=True)
class OutboxCheck:
    """Goes through the outbox of every service with a SQL database."""

    name = "events arrive"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the sending service and the number of each event."""
        for service in stores.sql:
            if service is not Service.APPOINTMENT:
                async for page in stores.sql[service].values(infrastructure_of(service).outbox.c.seq):
                    yield [(service.value, str(number)) for number in page]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return which of these events wait, and which did not arrive."""
        findings = list[Finding]()
        for sender in sorted({key[0] for key in keys}):
            findings += await _examine_outbox(stores, Service(sender), [int(key[1]) for key in keys if key[0] == sender])
        return findings


async def _examine_outbox(stores: Stores, sender: Service, numbers: Sequence[int]) -> list[Finding]:
    outbox = infrastructure_of(sender).outbox.c
    event_id = type_coerce(outbox.event_id, String).label("event_id")
    query = select(outbox.seq, event_id, outbox.topic, outbox.created_at, outbox.published_at).where(outbox.seq.in_(numbers))
    findings, published = list[Finding](), dict[UUID, tuple[str, datetime]]()
    key_of = dict[UUID, Key]()
    for row in await stores.sql[sender].fetch(query):
        key, ids = (sender.value, str(row.seq)), {"event": row.event_id, "topic": row.topic, "sender": sender.value}
        if row.published_at is None:
            findings.append(Finding("event_waits", key, ids, since=row.created_at))
            continue
        key_of[UUID(row.event_id)] = key
        published[UUID(row.event_id)] = (row.topic, row.published_at)
    for missing in await list_unhandled(stores, published):
        topic = published[missing.event_id][0]
        findings.append(_unhandled_finding(stores, missing, key_of[missing.event_id], {"topic": topic, "sender": sender.value}))
    return findings


def _unhandled_finding(stores: Stores, missing: Unhandled, key: Key, ids: dict[str, str]) -> Finding:
    """Return the finding of an event that a service has not handled. The event is lost if no queue has it, and if queues can be read."""
    ids = {"event": str(missing.event_id), "service": missing.service.value, **ids}
    since = missing.occurred_at if missing.waits or not stores.knows_queues else None
    code = "event_waits" if missing.waits else "event_lost"
    return Finding(code, (*key, missing.service.value, str(missing.event_id)), ids, (missing.event_id,), since=since)


@dataclass(frozen=True, slots=True)
class AppointmentEventCheck:
    """Goes through the events that are stored in appointments."""

    name = "events of appointments arrive"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all appointments."""
        async for page in stores.appointments.pages():
            yield [(str(appointment_id),) for appointment_id in page]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return what is wrong with the events of these appointments."""
        appointments = await stores.appointments.find({UUID(key[0]) for key in keys})
        newest_change = max(from_micros(await stores.appointments.source.read_newest_change_us()), stores.now())
        published = {event.id: (appointment, event) for appointment in appointments.values() for event in appointment.published}
        missing = await list_unhandled(stores, {event_id: (event.topic, event.occurred_at) for event_id, (_, event) in published.items()})
        findings = [
            _unhandled_finding(stores, item, (str(published[item.event_id][0].id),), {"topic": published[item.event_id][1].topic})
            for item in missing
        ]
        for appointment in appointments.values():
            findings += _examine_document(appointment, must_have_newest=newest_change - appointment.changed_at < NEWEST_STAYS_FOR)
        return findings


def _examine_document(appointment: AppointmentFacts, *, must_have_newest: bool) -> list[Finding]:
    """Return what is wrong with the events in one document, without asking other services."""
    key, ids = (str(appointment.id),), {"appointment": str(appointment.id)}
    findings = list[Finding]()
    for event in appointment.pending:
        waiting = ids | {"event": str(event.id), "topic": event.topic}
        findings.append(Finding("event_waits", (*key, str(event.id)), waiting, since=event.occurred_at))
    if appointment.unreadable_events:
        findings.append(Finding("event_unreadable", key, ids, (appointment.edition,)))
    elif appointment.unsent != len(appointment.pending):
        counts = {"counted": str(appointment.unsent), "stored": str(len(appointment.pending))}
        findings.append(Finding("pending_events_miscounted", key, ids | counts, (appointment.edition, appointment.unsent)))
    newest = max((event.event_number or 0 for event in appointment.events), default=0)
    if must_have_newest and newest < appointment.event_count and not appointment.unreadable_events:
        ids = ids | {"events": str(appointment.event_count), "newest": str(newest)}
        findings.append(Finding("event_missing", key, ids, (appointment.edition, newest)))
    return findings
