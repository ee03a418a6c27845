"""The appointment as a document: two mappers, and what an adapter must do with documents."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from pydantic import TypeAdapter

from appointment_svc.domain.appointment import Appointment
from shared.contracts.events import AppointmentEvent
from shared.kit.logs import traceparent

ADAPTER = TypeAdapter(Appointment)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SOURCE = "appointment-service"
KEYS = ("status", "doctor_id", "patient_id", "service_id", "starts_us", "ends_us", "created_us", "changed_us", "unsettled_us")
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """Documents whose `fields` have one of some values and lie in some half-open ranges, in the order of a key and the id."""

    among: dict[str, list[Any]] = field(default_factory=dict)
    ranges: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    order: str = "id"
    descending: bool = False
    after: tuple[Any, str] | None = None
    limit: int = 100


class Documents(Protocol):
    """Atomic on one document, nothing more is needed."""

    async def insert(self, document: Document) -> bool:
        """False when its id is there."""

    async def update(self, document_id: str, edition: int, changes: Document, line: Document | None, event: str | None) -> bool:
        """Sets fields of that edition, with one more line of history and one more waiting event; False when the edition is another."""

    async def get(self, ids: list[str]) -> list[Document]: ...

    async def find(self, query: Query) -> list[Document]: ...

    async def count(self, query: Query) -> int: ...

    async def unsent(self, limit: int, after: str) -> list[tuple[str, list[str]]]:
        """Ids beyond one, in their order, and the events that wait there, in the order of writing."""

    async def sent(self, document_id: str, event: str) -> None: ...

    async def forget_sent(self, before_us: int) -> int:
        """Drops sent events of documents that have not changed since."""


def micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def to_document(appointment: Appointment) -> Document:
    """Without its event; with the keys that queries use beside the whole. What patients wrote is no name of a field: `intake` is a list."""
    document: Document = ADAPTER.dump_python(appointment, mode="json", exclude={"news", "noted"})
    return document | {
        "intake": [{"asked": asked, "said": said} for asked, said in appointment.intake.items()]
        if appointment.intake is not None
        else None,
        "status": appointment.status.value,
        "doctor_id": str(appointment.doctor.id) if appointment.doctor else None,
        "patient_id": str(appointment.patient.id),
        "service_id": str(appointment.service.id),
        "starts_us": micros(appointment.starts_at),
        "ends_us": micros(appointment.ends_at),
        "created_us": micros(appointment.created_at),
        "changed_us": micros(appointment.updated_at),
        "unsettled_us": micros(appointment.intent.since) if appointment.intent else 0,
    }


def from_document(document: Document) -> Appointment:
    intake = document["intake"]
    return ADAPTER.validate_python(document | {"intake": {one["asked"]: one["said"] for one in intake} if intake is not None else None})


def letter(event: AppointmentEvent | None) -> str | None:
    """The event as it waits inside of its document."""
    return json.dumps(event.to_cloudevent(SOURCE, traceparent.get())) if event else None


def as_ids(ids: tuple[UUID, ...]) -> list[str]:
    return [str(one) for one in ids]
