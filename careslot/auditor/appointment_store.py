"""Reading appointments: documents in a SQLite file, or in a server that speaks the protocol of MongoDB."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select

from appointment_svc.domain.transitions import WITH_RESERVATION, AppointmentStatus
from appointment_svc.repository import mongo
from appointment_svc.repository.documents import Document, from_micros
from appointment_svc.repository.tables import APPOINTMENTS
from careslot.auditor.sql_store import PAGE_LENGTH, TIMEOUT_SECONDS, SqlStore
from shared.contracts.events import AppointmentEvent, AuditRecorded, Event

FIELDS = (
    *("id", "edition", "status", "doctor_id", "patient_id", "service_id", "starts_us", "ends_us", "created_us", "changed_us"),
    *("revision", "intent", "version", "event_count", "unsent", "pending_events", "published_events", "service"),
    *("former_patient_ids", "confirmed_at"),
)
StoredEvent = AppointmentEvent | AuditRecorded
"""An event of an appointment, or the event of a line about the appointment for the audit trail."""


@dataclass(frozen=True, slots=True)
class AppointmentFacts:
    """What the checks need of an appointment. Times are UTC. `edition` counts every write: while it is the same, nothing has changed.

    `unreadable_events` counts events that this release cannot read.
    """

    id: UUID
    edition: int
    status: str
    doctor_id: UUID | None
    patient_id: UUID
    service_id: UUID
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    changed_at: datetime
    version: int
    revision: int
    intent_since: datetime | None
    capacity: int
    unsent: int
    event_count: int
    pending: tuple[StoredEvent, ...]
    published: tuple[StoredEvent, ...]
    unreadable_events: int
    former_patient_ids: frozenset[UUID]
    is_confirmed: bool = False

    @property
    def has_intent(self) -> bool:
        """True while a request to the calendar is under way."""
        return self.intent_since is not None

    @property
    def needs_claim(self) -> bool:
        """True when the calendar must have a claim for the appointment."""
        return self.status in WITH_RESERVATION

    @property
    def events(self) -> list[AppointmentEvent]:
        """The events of the appointment that are stored in the document, by version."""
        events = [event for event in (*self.published, *self.pending) if isinstance(event, AppointmentEvent)]
        return sorted(events, key=lambda event: event.version)

    @property
    def is_announced(self) -> bool:
        """True when an event has announced the appointment to the other services."""
        return self.status not in (AppointmentStatus.PENDING, AppointmentStatus.REFUSED)


class AppointmentSource(Protocol):
    """Where appointments are read from."""

    async def list_ids(self, after: str, limit: int) -> list[str]:
        """Return ids in their order, after an id."""

    async def find(self, ids: Collection[str]) -> list[Document]:
        """Return the documents that exist."""

    async def read_newest_change_us(self) -> int:
        """Return the microseconds since 1970 of the newest change, 0 without appointments."""


@dataclass(frozen=True, slots=True)
class AppointmentReader:
    """Reads what the checks need of appointments."""

    source: AppointmentSource

    async def pages(self) -> AsyncIterator[list[UUID]]:
        """Yield the ids of all appointments in pages."""
        last = ""
        while page := await self.source.list_ids(last, PAGE_LENGTH):
            yield [UUID(text) for text in page]
            last = page[-1]

    async def find(self, ids: Collection[UUID]) -> dict[UUID, AppointmentFacts]:
        """Return the appointments that exist, by id."""
        documents = await self.source.find([str(appointment_id) for appointment_id in ids]) if ids else []
        return {UUID(document["id"]): facts_of(document) for document in documents}


@dataclass(frozen=True, slots=True)
class SqlAppointments:
    """Documents in the SQLite file of an embedded installation."""

    store: SqlStore

    async def list_ids(self, after: str, limit: int) -> list[str]:
        query = select(APPOINTMENTS.c.id).where(APPOINTMENTS.c.id > after).order_by(APPOINTMENTS.c.id).limit(limit)
        return [row.id for row in await self.store.fetch(query)]

    async def find(self, ids: Collection[str]) -> list[Document]:
        rows = await self.store.fetch_in([APPOINTMENTS.c.document, APPOINTMENTS.c.unsent], APPOINTMENTS.c.id, ids)
        return [row.document | {"unsent": row.unsent} for row in rows]  # the column counts, and the field of the document does not

    async def read_newest_change_us(self) -> int:
        rows = await self.store.fetch(select(APPOINTMENTS.c.changed_us).order_by(APPOINTMENTS.c.changed_us.desc()).limit(1))
        return int(rows[0].changed_us) if rows else 0


@dataclass(frozen=True, slots=True)
class MongoAppointments:
    """Documents in a server that speaks the protocol of MongoDB. All methods raise Unavailable if it does not answer."""

    collection: Any

    async def list_ids(self, after: str, limit: int) -> list[str]:
        async with mongo.unavailable_on_failure():
            documents = await self.collection.find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", 1).limit(limit).to_list(limit)
        return [document["_id"] for document in documents]

    async def find(self, ids: Collection[str]) -> list[Document]:
        async with mongo.unavailable_on_failure():
            return list(await self.collection.find({"_id": {"$in": list(ids)}}, dict.fromkeys(FIELDS, 1)).to_list(len(ids)))

    async def read_newest_change_us(self) -> int:
        async with mongo.unavailable_on_failure():
            newest = await self.collection.find({}, {"changed_us": 1}).sort("changed_us", -1).limit(1).to_list(1)
        return int(newest[0]["changed_us"]) if newest else 0


@asynccontextmanager
async def open_mongo_appointments(url: str) -> AsyncIterator[MongoAppointments]:
    """Open the database that a URL names."""
    async with mongo.open_database(url, TIMEOUT_SECONDS * 1000) as database:
        yield MongoAppointments(database["appointments"])


def facts_of(document: Document) -> AppointmentFacts:
    """Return the facts of a document. Only fields that the checks need are read, so that documents of other releases are checked, too."""
    pending, unreadable = _read_events(document["pending_events"])
    published, unreadable_published = _read_events(document.get("published_events", []))
    return AppointmentFacts(
        id=UUID(document["id"]),
        edition=document["edition"],
        status=document["status"],
        doctor_id=UUID(document["doctor_id"]) if document["doctor_id"] else None,
        patient_id=UUID(document["patient_id"]),
        service_id=UUID(document["service_id"]),
        starts_at=from_micros(document["starts_us"]),
        ends_at=from_micros(document["ends_us"]),
        created_at=from_micros(document["created_us"]),
        changed_at=from_micros(document["changed_us"]),
        version=document["version"],
        revision=document["revision"],
        intent_since=datetime.fromisoformat(document["intent"]["since"]) if document["intent"] is not None else None,
        capacity=document["service"].get("capacity", 1),
        unsent=document["unsent"],
        event_count=document.get("event_count", 0),
        pending=pending,
        published=published,
        unreadable_events=unreadable + unreadable_published,
        former_patient_ids=frozenset(map(UUID, document.get("former_patient_ids", []))),
        is_confirmed=document.get("confirmed_at") is not None,
    )


def _read_events(texts: list[str]) -> tuple[tuple[StoredEvent, ...], int]:
    """Return the events, and how many texts could not be read."""
    events = list[StoredEvent]()
    for text in texts:
        try:
            event = Event.from_cloudevent(json.loads(text))
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(event, StoredEvent):
            events.append(event)
    return tuple(events), len(texts) - len(events)
