"""The appointment as a document: the mapping in both directions, and what an adapter does with documents.

Stored names stay as the first release wrote them; the tables `STORED_...` map the names of the domain to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from pydantic import TypeAdapter

from appointment_svc.domain.appointment import Appointment
from shared.contracts.events import AuditRecorded, Event
from shared.kit.logs import request_id, traceparent

ADAPTER = TypeAdapter(Appointment)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SOURCE = "appointment-service"
KEYS = ("status", "doctor_id", "patient_id", "service_id", "starts_us", "ends_us", "created_us", "changed_us", "unsettled_us")
STORED_NAMES = {"row_version": "edition"}
STORED_SYNC_NAMES = {"stored_refusal": "denial"}
STORED_INTENT_NAMES = {"actor": "by"}
STORED_REFUSAL_NAMES = {"operation_id": "wish"}
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Documents whose fields have one of some values and lie in half-open ranges, ordered by `order` and then by id.

    `after` is the value of `order` and the id of the last document of the previous page. `index` names the index to use, where the
    database might choose one that reads more documents. `fields` are those that the caller needs, where these are few.
    """

    among: dict[str, list[Any]] = field(default_factory=dict)
    ranges: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    order: str = "id"
    descending: bool = False
    after: tuple[Any, str] | None = None
    limit: int = 100
    index: str | None = None
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One of the numbered places of a patient, and the appointment that took it last. It is free once that appointment is not active."""

    patient_id: str
    number: int
    appointment_id: str
    taken_us: int


@dataclass(frozen=True, slots=True)
class DoctorRow:
    """What appointments show of a doctor: `snapshot` as JSON. `followed` is False while appointments may still show something older."""

    id: str
    version: int
    snapshot: Document
    stored_us: int
    followed: bool


@dataclass(frozen=True, slots=True)
class MergedPatientRow:
    """A patient who was merged into another one. `followed` is False while appointments may still have the old id."""

    id: str
    into_id: str
    stored_us: int
    followed: bool


class Documents(Protocol):
    """Storage of documents. Each write changes one document atomically; no transaction over several documents is needed."""

    async def insert(self, document: Document) -> bool:
        """Insert a document, with its `link_hashes`; return False if its id exists."""

    async def update(
        self, document_id: str, row_version: int, changes: Document, entry: Document | None, events: Sequence[str] = ()
    ) -> bool:
        """Set fields, and append a history entry and pending events, if the document has this row version; return False otherwise."""

    async def rewrite(self, document_id: str, row_version: int, document: Document, events: Sequence[str] = ()) -> bool:
        """Set fields, the history too, append pending events, and delete the hashes of links, if the document has this row version.

        Return False otherwise.
        """

    async def delete_settled(self, ids: list[str], before_us: int) -> int:
        """Delete documents that end before an instant, and that have neither an intent nor pending events; return how many."""

    async def get_many(self, ids: list[str]) -> list[Document]:
        """Return the documents that exist."""

    async def list_matching(self, query: DocumentQuery) -> list[Document]:
        """Return the documents of a query, in its order; with `fields`, the others may be missing."""

    async def find_by_link(self, link_hash: str) -> Document | None:
        """Return the document with this hash of a link."""

    async def list_link_hashes(self, ids: list[str]) -> dict[str, list[str]]:
        """Return the hashes of links of the documents that exist, by id."""

    async def add_link_hashes(self, added: dict[str, list[str]]) -> None:
        """Add hashes of links to documents, in one bulk write. Hashes that are stored already change nothing."""

    async def find_doctor(self, doctor_id: str) -> DoctorRow | None:
        """Return the row of a doctor."""

    async def save_doctor(self, row: DoctorRow, previous_version: int | None) -> bool:
        """Insert a row, or update it if it still has the previous version; return False otherwise."""

    async def list_doctors_to_follow(self, limit: int, after: str) -> list[DoctorRow]:
        """Return rows that are not followed, by id, after the id `after`."""

    async def insert_merged_patient(self, row: MergedPatientRow) -> None:
        """Insert a row unless it exists."""

    async def list_patients_to_follow(self, limit: int, after: str) -> list[MergedPatientRow]:
        """Return rows that are not followed, by id, after the id `after`."""

    async def list_merge_targets(self, patient_ids: list[str]) -> list[str]:
        """Return the ids of the patients into whom these were merged."""

    async def mark_patient_followed(self, patient_id: str) -> None:
        """Set `followed` in the row of a merged patient."""

    async def find_progress(self, job: str) -> Document | None:
        """Return how far a job has come, or None."""

    async def save_progress(self, job: str, progress: Document) -> None:
        """Store how far a job has come."""

    async def list_places(self, patient_id: str) -> dict[int, Place]:
        """Return the places of a patient that were ever taken, by number."""

    async def take_place(self, place: Place, previous: Place | None) -> bool:
        """Write a place instead of the previous one; return False if another request has taken it since that was read."""

    async def list_unsent(self, limit: int, after: str) -> list[tuple[str, list[str]]]:
        """Return ids of documents after the id `after`, in order, with their pending events in the order of writing."""

    async def mark_sent(self, document_id: str, event: str) -> None:
        """Move a pending event of a document to its published events."""

    async def delete_sent(self, before_us: int) -> int:
        """Delete published events of documents that have not changed since `before_us`; return how many documents had some."""


def micros(instant: datetime) -> int:
    """Return the microseconds since 1970 (UTC)."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def from_micros(microseconds: int) -> datetime:
    """Return the instant that `micros` stands for."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_document(appointment: Appointment) -> Document:
    """Return the document without its pending events, with the keys that queries use.

    `intake` becomes a list, because what patients write may not be a valid field name.
    """
    document: Document = ADAPTER.dump_python(appointment, mode="json", exclude={"unsaved_change"})
    sync = _renamed(document.pop("sync"), STORED_SYNC_NAMES)
    sync["intent"] = _renamed(sync["intent"], STORED_INTENT_NAMES)
    sync["denial"] = _renamed(sync["denial"], STORED_REFUSAL_NAMES)
    intake = [{"asked": question, "said": answer} for question, answer in (appointment.intake or {}).items()]
    intent = appointment.sync.intent
    keys: Document = {
        "status": appointment.status.value,
        "doctor_id": str(appointment.doctor_id) if appointment.doctor_id else None,
        "patient_id": str(appointment.patient_id),
        "service_id": str(appointment.service.id),
        "starts_us": micros(appointment.starts_at),
        "ends_us": micros(appointment.ends_at),
        "created_us": micros(appointment.created_at),
        "changed_us": micros(appointment.updated_at),
        "unsettled_us": micros(intent.since) if intent else 0,
    }
    return {**keys, **_renamed(document, STORED_NAMES), **sync, "intake": intake if appointment.intake is not None else None}


def from_document(document: Document) -> Appointment:
    """Return the appointment that a document holds."""
    sync = {
        "intent": _renamed(document["intent"], _inverse(STORED_INTENT_NAMES)),
        "revision": document["revision"],
        "stored_refusal": _renamed(document["denial"], _inverse(STORED_REFUSAL_NAMES)),
    }
    intake = document["intake"]
    answers = {answer["asked"]: answer["said"] for answer in intake} if intake is not None else None
    return ADAPTER.validate_python(_renamed(document, _inverse(STORED_NAMES)) | {"sync": sync, "intake": answers})


def event_text(event: Event) -> str:
    """Return an event in the form in which it is stored in its document. One for the audit trail names the request."""
    if isinstance(event, AuditRecorded):
        event = event.model_copy(update={"request_id": request_id.get()})
    return json.dumps(event.to_cloudevent(SOURCE, traceparent.get()))


def id_texts(ids: Iterable[UUID]) -> list[str]:
    """Return ids as they are stored."""
    return list(map(str, ids))


def _renamed(fields: Any, names: dict[str, str]) -> Any:
    return {names.get(name, name): value for name, value in fields.items()} if fields is not None else None


def _inverse(names: dict[str, str]) -> dict[str, str]:
    return {stored: name for name, stored in names.items()}
