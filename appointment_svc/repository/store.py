"""The store of appointments over documents, whichever server keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import HOLDING, OPEN, Status
from appointment_svc.ports import Filter, Overtaken
from appointment_svc.repository.documents import Documents, Query, as_ids, from_document, letter, micros, to_document
from shared.kit.paging import BadCursor

ORDERS = {"starts_at": "starts_us", "created_at": "created_us"}
SHOWN = [status.value for status in Status if status is not Status.REFUSED]


@dataclass(frozen=True, slots=True)
class DocumentStore:
    """`announced` wakes the relay after a write that carries an event."""

    documents: Documents
    announced: Callable[[], None]

    async def add(self, appointment: Appointment) -> bool:
        event = letter(appointment.news)
        document = to_document(appointment) | {
            "pending_events": [event] if event else [],
            "published_events": [],
            "unsent": int(bool(event)),
        }
        return await self.documents.insert(document)

    async def find(self, appointment_id: UUID) -> Appointment | None:
        return (await self.find_all([appointment_id])).get(appointment_id)

    async def find_all(self, ids: list[UUID]) -> dict[UUID, Appointment]:
        found = [from_document(document) for document in await self.documents.get([str(one) for one in ids])]
        return {appointment.id: appointment for appointment in found}

    async def save(self, appointment: Appointment) -> Appointment:
        """`history` and the waiting events are pushed, everything else is set; a replaced document would lose what others pushed."""
        changes = to_document(appointment) | {"edition": appointment.edition + 1}
        lines = changes.pop("history")
        new_line = lines[-1] if appointment.noted else None
        event = letter(appointment.news)
        if not await self.documents.update(str(appointment.id), appointment.edition, changes, new_line, event):
            raise Overtaken
        if event:
            self.announced()
        return replace(appointment, edition=appointment.edition + 1, news=None, noted=False)

    async def listed(self, wanted: Filter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]:
        key = ORDERS[wanted.sort.removeprefix("-")]
        among: dict[str, list[str] | None] = {
            "status": [status.value for status in wanted.statuses] or SHOWN,
            "doctor_id": _both(wanted.doctor_ids, wanted.owner_doctor_id),
            "patient_id": _both(wanted.patient_ids, wanted.owner_patient_id),
            "service_id": as_ids(wanted.service_ids) or None,
        }
        begins, ends = (micros(bound) if bound else None for bound in (wanted.begins, wanted.ends))
        given: dict[str, list[Any]] = {name: values for name, values in among.items() if values is not None}
        query = Query(given, {"starts_us": (begins, ends)}, key, wanted.sort.startswith("-"), _place(after), limit)
        return await self._found(query)

    async def unsettled(self, before: datetime, limit: int) -> list[Appointment]:
        return await self._found(Query(ranges={"unsettled_us": (1, micros(before) + 1)}, order="unsettled_us", limit=limit))

    async def unanswered(self, before: datetime, limit: int) -> list[Appointment]:
        requested: dict[str, list[Any]] = {"status": [Status.REQUESTED.value], "unsettled_us": [0]}
        return await self._found(Query(requested, {"starts_us": (None, micros(before) + 1)}, "starts_us", limit=limit))

    async def open_of(self, patient_id: UUID, now: datetime) -> int:
        among = {"patient_id": [str(patient_id)], "status": [status.value for status in OPEN]}
        return await self.documents.count(Query(among, {"starts_us": (micros(now), None)}))

    async def upcoming(self, now: datetime, limit: int, after: UUID | None) -> list[Appointment]:
        among = {"status": [status.value for status in sorted(HOLDING)]}
        place = ("", str(after)) if after else None
        return await self._found(Query(among, {"ends_us": (micros(now), None)}, after=place, limit=limit))

    async def _found(self, query: Query) -> list[Appointment]:
        return [from_document(document) for document in await self.documents.find(query)]


def _both(asked: tuple[UUID, ...], owner: UUID | None) -> list[str] | None:
    """Those that were asked for and are the caller's own; None: no bound."""
    if owner is None:
        return as_ids(asked) or None
    return [str(owner)] if not asked or owner in asked else []


def _place(after: tuple[str, ...] | None) -> tuple[Any, str] | None:
    if after is None:
        return None
    try:
        number, one = after
        place = int(number), str(UUID(one))
    except ValueError:
        raise BadCursor(pointer="/after") from None
    if abs(place[0]) >= 2**63:
        raise BadCursor(pointer="/after")
    return place
