"""The store of appointments over documents, in any database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import NoSuchAppointment
from appointment_svc.domain.transitions import ACTIVE, WITH_RESERVATION, AppointmentStatus
from appointment_svc.ports import AppointmentFilter, RowChanged
from appointment_svc.repository.documents import DocumentQuery, Documents, event_text, from_document, id_texts, micros, to_document
from shared.kit.paging import parse_instant, parse_sort_key

ORDER_FIELDS = {"starts_at": "starts_us", "created_at": "created_us"}
LISTED_BY_DEFAULT = [status.value for status in AppointmentStatus if status is not AppointmentStatus.REFUSED]


@dataclass(frozen=True, slots=True)
class DocumentStore:
    """`wake_relay` is called after a write that adds an event."""

    documents: Documents
    wake_relay: Callable[[], None]

    async def insert(self, appointment: Appointment) -> bool:
        """Insert an appointment; return False if its id exists."""
        event = _pending_event(appointment)
        document = to_document(appointment) | {
            "pending_events": [event] if event else [],
            "published_events": [],
            "unsent": int(bool(event)),
        }
        return await self.documents.insert(document)

    async def get(self, appointment_id: UUID) -> Appointment:
        """Return the appointment; raise NoSuchAppointment if there is none."""
        appointment = await self.find(appointment_id)
        if appointment is None:
            raise NoSuchAppointment
        return appointment

    async def find(self, appointment_id: UUID) -> Appointment | None:
        """Return the appointment, or None."""
        return (await self.find_many([appointment_id])).get(appointment_id)

    async def find_many(self, ids: list[UUID]) -> dict[UUID, Appointment]:
        """Return the appointments that exist, by id."""
        appointments = map(from_document, await self.documents.get_many(list(map(str, ids))))
        return {appointment.id: appointment for appointment in appointments}

    async def save(self, appointment: Appointment) -> Appointment:
        """Save a changed appointment and return it as stored; raise RowChanged if its row version is not the current one.

        History and pending events are appended, all other fields are set: replacing the document would lose what the relay wrote.
        """
        changes = to_document(appointment) | {"edition": appointment.row_version + 1}
        entries = changes.pop("history")
        event = _pending_event(appointment)
        new_entry = entries[-1] if appointment.unsaved_change else None
        if not await self.documents.update(str(appointment.id), appointment.row_version, changes, new_entry, event):
            raise RowChanged
        if event:
            self.wake_relay()
        return replace(appointment, row_version=appointment.row_version + 1, unsaved_change=None)

    async def list_matching(self, wanted: AppointmentFilter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]:
        """Return a page of the appointments that match a filter, from behind a cursor key."""
        among: dict[str, list[Any] | None] = {
            "status": [status.value for status in wanted.statuses] or LISTED_BY_DEFAULT,
            "doctor_id": _allowed_ids(wanted.doctor_ids, wanted.owner_doctor_id),
            "patient_id": _allowed_ids(wanted.patient_ids, wanted.owner_patient_id),
            "service_id": id_texts(wanted.service_ids) or None,
        }
        begins, ends = (micros(bound) if bound else None for bound in (wanted.begins, wanted.ends))
        query = DocumentQuery(
            among={name: values for name, values in among.items() if values is not None},
            ranges={"starts_us": (begins, ends)},
            order=ORDER_FIELDS[wanted.sort.removeprefix("-")],
            descending=wanted.sort.startswith("-"),
            after=_cursor_key(after) if after else None,
            limit=limit,
        )
        return await self._list(query)

    async def list_pending(self, before: datetime, limit: int) -> list[Appointment]:
        """Return appointments whose intent was stored before an instant, oldest first."""
        return await self._list(DocumentQuery(ranges={"unsettled_us": (1, micros(before) + 1)}, order="unsettled_us", limit=limit))

    async def list_unanswered(self, before: datetime, limit: int) -> list[Appointment]:
        """Return requested appointments that start before an instant."""
        among: dict[str, list[Any]] = {"status": [AppointmentStatus.REQUESTED.value], "unsettled_us": [0]}
        return await self._list(DocumentQuery(among, {"starts_us": (None, micros(before) + 1)}, "starts_us", limit=limit))

    async def list_upcoming(self, now: datetime, limit: int, after: UUID | None) -> list[Appointment]:
        """Return appointments with a reservation that end after `now`, ordered by id, from behind an id."""
        among = {"status": [status.value for status in sorted(WITH_RESERVATION)]}
        after_key = ("", str(after)) if after else None
        return await self._list(DocumentQuery(among, {"ends_us": (micros(now), None)}, after=after_key, limit=limit))

    async def count_active(self, patient_id: UUID, now: datetime) -> int:
        """Return how many active appointments of a patient start after `now`."""
        among = {"patient_id": [str(patient_id)], "status": [status.value for status in ACTIVE]}
        return await self.documents.count(DocumentQuery(among, {"starts_us": (micros(now), None)}))

    async def _list(self, query: DocumentQuery) -> list[Appointment]:
        return list(map(from_document, await self.documents.list_matching(query)))


def _pending_event(appointment: Appointment) -> str | None:
    event = appointment.unsaved_change.event if appointment.unsaved_change else None
    return event_text(event) if event else None


def _allowed_ids(requested: tuple[UUID, ...], owner: UUID | None) -> list[str] | None:
    """Return the requested ids that are the owner's; None means any id."""
    if owner is None:
        return id_texts(requested) or None
    return [str(owner)] if not requested or owner in requested else []


def _cursor_key(after: tuple[str, ...]) -> tuple[int, str]:
    """Return sort value and id of a cursor; raise BadCursor if it is not one of this list."""
    instant, appointment_id = parse_sort_key(after, parse_instant, UUID)
    return micros(instant), str(appointment_id)
