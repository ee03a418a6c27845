"""The store of appointments, on top of the port `Documents`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import NoSuchAppointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.transitions import ACTIVE, FOLLOWS_DOCTOR, WITH_RESERVATION, AppointmentStatus
from appointment_svc.ports import (
    AppointmentFilter,
    ChangedDoctor,
    MergedPatient,
    RetentionProgress,
    RowChanged,
    StoredAppointment,
    StoredChange,
    UnreadableAppointment,
    UnreadableDoctor,
)
from appointment_svc.repository.documents import (
    DoctorRow,
    Document,
    DocumentQuery,
    Documents,
    MergedPatientRow,
    Place,
    event_text,
    from_document,
    from_micros,
    id_texts,
    micros,
    to_document,
)
from shared.contracts.events import AuditRecorded
from shared.kit.cursors import parse_instant_and_id
from shared.kit.unreadable import log_unreadable, read_rows

ORDER_FIELDS = {"starts_at": "starts_us", "created_at": "created_us"}
TEXT_RETENTION = "text_retention"
DOCTOR_ADAPTER = TypeAdapter(DoctorSnapshot)
TIME_TO_INSERT = timedelta(minutes=1)  # within it, a request that has taken a place has inserted its appointment or has failed
LISTED_BY_DEFAULT = [status.value for status in AppointmentStatus if status is not AppointmentStatus.REFUSED]


@dataclass(frozen=True, slots=True)
class DocumentStore:
    """`wake_relay` is called after a write that adds an event."""

    documents: Documents
    wake_relay: Callable[[], None]

    async def insert(self, appointment: Appointment, link_hash: str) -> bool:
        """Insert an appointment, with the hash of its patient's link; return False if its id exists."""
        events = _pending_events(appointment)
        document = to_document(appointment) | {
            "pending_events": events,
            "published_events": [],
            "unsent": len(events),
            "link_hashes": [link_hash],
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
        documents = await self.documents.get_many([str(appointment_id)])
        return from_document(documents[0]) if documents else None

    async def find_many(self, ids: list[UUID]) -> dict[UUID, StoredAppointment]:
        """Return the appointments that exist, by id."""
        appointments = map(_read_document, await self.documents.get_many(list(map(str, ids))))
        return {appointment.id: appointment for appointment in appointments}

    async def list_by_id(self, limit: int, after: UUID | None) -> list[StoredAppointment]:
        """Return all appointments, ordered by id, after the id `after`."""
        return await self._list(DocumentQuery(after=(None, str(after)) if after else None, limit=limit))

    async def save(self, appointment: Appointment) -> Appointment:
        """Save a changed appointment and return it as stored; raise RowChanged if its row version is not the current one.

        History and pending events are appended, all other fields are set: replacing the document would lose what the relay wrote.
        """
        changes = to_document(appointment) | {"edition": appointment.row_version + 1}
        entries = changes.pop("history")
        events = _pending_events(appointment)
        new_entry = entries[-1] if appointment.unsaved_change else None
        if not await self.documents.update(str(appointment.id), appointment.row_version, changes, new_entry, events):
            raise RowChanged
        if events:
            self.wake_relay()
        return replace(appointment, row_version=appointment.row_version + 1, unsaved_change=None)

    async def save_erased(self, appointment: Appointment) -> None:
        """Save an appointment without texts, its whole history too, and delete the hashes of its links; raise RowChanged as `save` does."""
        document, events = to_document(appointment) | {"edition": appointment.row_version + 1}, _pending_events(appointment)
        if not await self.documents.rewrite(str(appointment.id), appointment.row_version, document, events):
            raise RowChanged
        if events:
            self.wake_relay()

    async def list_of_patient(self, patient_id: UUID, limit: int, after: StoredAppointment | None) -> list[StoredAppointment]:
        """Return the appointments of a patient in every status, ordered by start and id, after the appointment `after`."""
        after_key = (micros(after.starts_at), str(after.id)) if after else None
        return await self._list(DocumentQuery({"patient_id": [str(patient_id)]}, order="starts_us", after=after_key, limit=limit))

    async def list_ended(self, before: datetime, limit: int, after: tuple[datetime, UUID] | None) -> list[StoredAppointment]:
        """Return appointments that ended before an instant, ordered by end and id, after the end and id `after`."""
        after_key = (micros(after[0]), str(after[1])) if after else None
        ranges: dict[str, tuple[int | None, int | None]] = {"ends_us": (None, micros(before))}
        return await self._list(DocumentQuery({}, ranges, "ends_us", after=after_key, limit=limit))

    async def delete_ended(self, ids: Collection[UUID], before: datetime) -> int:
        """Delete those of some appointments that ended before an instant, and about which nothing has to be done; return how many."""
        return await self.documents.delete_settled(id_texts(ids), micros(before))

    async def find_retention_progress(self) -> RetentionProgress | None:
        """Return how far the removal of old texts has come, or None before its first run."""
        stored = await self.documents.find_progress(TEXT_RETENTION)
        if stored is None:
            return None
        last = (from_micros(stored["ends_us"]), UUID(stored["last_id"])) if stored["last_id"] else None
        return RetentionProgress(from_micros(stored["began_us"]), last)

    async def save_retention_progress(self, progress: RetentionProgress) -> None:
        """Store how far the removal of old texts has come."""
        ends_at, last_id = progress.last or (progress.began_at, None)
        stored = {"began_us": micros(progress.began_at), "ends_us": micros(ends_at), "last_id": str(last_id) if last_id else None}
        await self.documents.save_progress(TEXT_RETENTION, stored)

    async def list_matching(self, wanted: AppointmentFilter, limit: int, after: tuple[str, ...] | None) -> list[Appointment]:
        """Return a page of the appointments that match a filter, after a cursor."""
        among: dict[str, list[Any] | None] = {
            "status": [status.value for status in wanted.statuses] or LISTED_BY_DEFAULT,
            "doctor_id": _allowed_ids(wanted.doctor_ids, (wanted.owner_doctor_id,) if wanted.owner_doctor_id else None),
            "patient_id": _allowed_ids(wanted.patient_ids, wanted.owner_patient_ids),
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
        return list(map(from_document, await self.documents.list_matching(query)))

    async def find_by_link(self, link_hash: str) -> Appointment | None:
        """Return the appointment with a link of this hash, or None."""
        document = await self.documents.find_by_link(link_hash)
        return from_document(document) if document else None

    async def list_link_hashes(self, ids: Collection[UUID]) -> dict[UUID, list[str]]:
        """Return the hashes of the links of the appointments that exist, by id."""
        stored = await self.documents.list_link_hashes(id_texts(ids))
        return {UUID(appointment_id): hashes for appointment_id, hashes in stored.items()}

    async def add_link_hashes(self, added: Mapping[UUID, Collection[str]]) -> None:
        """Add hashes of links to appointments."""
        await self.documents.add_link_hashes({str(appointment_id): list(hashes) for appointment_id, hashes in added.items()})

    async def list_changes(self, since: datetime, limit: int, after: tuple[str, ...] | None) -> list[StoredChange]:
        """Return the appointments that have changed since an instant, by the instant of the change and id, after a cursor."""
        ranges: dict[str, tuple[int | None, int | None]] = {"changed_us": (micros(since), None)}
        after_key = _cursor_key(after) if after else None
        return list(
            map(_read_change, await self.documents.list_matching(DocumentQuery({}, ranges, "changed_us", after=after_key, limit=limit)))
        )

    async def list_pending(self, before: datetime, limit: int) -> list[StoredAppointment]:
        """Return appointments whose intent was stored, or that are due again, at or before an instant; the longest due first."""
        return await self._list(DocumentQuery(ranges={"unsettled_us": (1, micros(before) + 1)}, order="unsettled_us", limit=limit))

    async def postpone(self, appointment: StoredAppointment, due_at: datetime) -> None:
        """Make a pending appointment due at `due_at`: `list_pending` returns it for no earlier instant.

        Do nothing if the appointment was saved since it was read. Only the field `unsettled_us`, by which `list_pending` selects, is
        changed; the next save sets it to the time of the intent again.
        """
        await self.documents.update(str(appointment.id), appointment.row_version, {"unsettled_us": micros(due_at)}, None)

    async def list_unanswered(self, before: datetime, limit: int, after: StoredAppointment | None) -> list[StoredAppointment]:
        """Return requested appointments that start before an instant, ordered by start and id, after the appointment `after`."""
        among: dict[str, list[Any]] = {"status": [AppointmentStatus.REQUESTED.value], "unsettled_us": [0]}
        after_key = (micros(after.starts_at), str(after.id)) if after else None
        ranges: dict[str, tuple[int | None, int | None]] = {"starts_us": (None, micros(before) + 1)}
        return await self._list(DocumentQuery(among, ranges, "starts_us", after=after_key, limit=limit))

    async def list_upcoming(self, now: datetime, limit: int, after: StoredAppointment | None) -> list[StoredAppointment]:
        """Return appointments with a reservation that end after `now`, ordered by end and id, after the appointment `after`."""
        among = {"status": [status.value for status in sorted(WITH_RESERVATION)]}
        after_key = (micros(after.ends_at), str(after.id)) if after else None
        ranges: dict[str, tuple[int | None, int | None]] = {"ends_us": (micros(now), None)}
        return await self._list(DocumentQuery(among, ranges, "ends_us", after=after_key, limit=limit, index="by_end"))

    async def save_doctor(self, doctor: DoctorSnapshot, now: datetime) -> None:
        """Store what appointments show of a doctor, unless it is older than what is stored; appointments must follow if it differs."""
        while True:
            stored = await self.documents.find_doctor(str(doctor.id))
            if stored is not None and stored.version >= doctor.version:
                return
            is_same = stored is not None and not doctor.changes_since(DOCTOR_ADAPTER.validate_python(stored.snapshot))
            followed = is_same and stored is not None and stored.followed
            row = DoctorRow(str(doctor.id), doctor.version, DOCTOR_ADAPTER.dump_python(doctor, mode="json"), micros(now), followed)
            if await self.documents.save_doctor(row, stored.version if stored else None):
                return

    async def find_doctor(self, doctor_id: UUID) -> DoctorSnapshot | None:
        """Return what `save_doctor` stored last."""
        row = await self.documents.find_doctor(str(doctor_id))
        return DOCTOR_ADAPTER.validate_python(row.snapshot) if row else None

    async def list_changed_doctors(self, limit: int, after: UUID | None) -> list[ChangedDoctor | UnreadableDoctor]:
        """Return the doctors whom appointments must follow, by id, after the id `after`."""
        return [_read_doctor(row) for row in await self.documents.list_doctors_to_follow(limit, str(after or ""))]

    async def mark_followed(self, doctor: DoctorSnapshot) -> None:
        """Record that all appointments follow this version of a doctor; a newer one stays to be followed."""
        row = await self.documents.find_doctor(str(doctor.id))
        if row is not None and row.version == doctor.version:
            await self.documents.save_doctor(replace(row, followed=True), row.version)

    async def list_ahead_with_doctor(
        self, doctor_id: UUID, now: datetime, limit: int, after: StoredAppointment | None
    ) -> list[StoredAppointment]:
        """Return the active or checked-in appointments with a doctor that start from `now` on, by start and id, after `after`."""
        among = {"doctor_id": [str(doctor_id)], "status": [status.value for status in ACTIVE | FOLLOWS_DOCTOR]}
        after_key = (micros(after.starts_at), str(after.id)) if after else None
        return await self._list(DocumentQuery(among, {"starts_us": (micros(now), None)}, "starts_us", after=after_key, limit=limit))

    async def save_merged_patient(self, patient_id: UUID, into_id: UUID, now: datetime) -> None:
        """Store that a patient was merged into another one, so that the appointments follow; do nothing if it is stored already."""
        await self.documents.insert_merged_patient(MergedPatientRow(str(patient_id), str(into_id), micros(now), followed=False))

    async def list_merged_patients(self, limit: int, after: UUID | None) -> list[MergedPatient]:
        """Return the merged patients whose appointments must follow, by id, after the id `after`."""
        rows = await self.documents.list_patients_to_follow(limit, str(after or ""))
        return [MergedPatient(UUID(row.id), UUID(row.into_id), from_micros(row.stored_us)) for row in rows]

    async def list_merge_targets(self, patient_ids: Collection[UUID]) -> list[UUID]:
        """Return the patients into whom these were merged."""
        return [UUID(into_id) for into_id in await self.documents.list_merge_targets(list(map(str, patient_ids)))]

    async def mark_patient_followed(self, patient_id: UUID) -> None:
        """Record that all appointments of a merged patient have followed."""
        await self.documents.mark_patient_followed(str(patient_id))

    async def take_place(self, patient_id: UUID, appointment_id: UUID, limit: int, now: datetime) -> bool:
        """Take the lowest free place of a patient; return False if there are `limit` active appointments that start after `now`.

        The key of a place decides between two requests that read the same state: the loser reads again, and then meets the winner's.
        """
        while True:
            places = await self.documents.list_places(str(patient_id))
            active = await self._active_ids(patient_id, places, limit, now)
            occupied = {number for number, place in places.items() if place.appointment_id in active}
            if str(appointment_id) in {places[number].appointment_id for number in occupied}:
                return True
            if len(active) >= limit:
                return False
            number = next(number for number in range(limit) if number not in occupied)
            place = Place(str(patient_id), number, str(appointment_id), micros(now))
            if await self.documents.take_place(place, places.get(number)):
                return True

    async def _active_ids(self, patient_id: UUID, places: dict[int, Place], limit: int, now: datetime) -> set[str]:
        """Return the active appointments ahead, and those that have just taken a place and are not inserted yet."""
        among = {"patient_id": [str(patient_id)], "status": [status.value for status in ACTIVE]}
        upcoming: dict[str, tuple[int | None, int | None]] = {"starts_us": (micros(now), None)}
        ahead = await self.documents.list_matching(DocumentQuery(among, upcoming, "starts_us", limit=limit, fields=("id",)))
        active = {document["id"] for document in ahead}
        others = [place for place in places.values() if place.appointment_id not in active]
        unlisted = await self.documents.get_many([place.appointment_id for place in others]) if others else []
        inserted = {document["id"]: document for document in unlisted}
        for place in others:
            document = inserted.get(place.appointment_id)
            if document is None:
                is_active = place.taken_us > micros(now - TIME_TO_INSERT)
            else:  # inserted since the first read
                is_active = document["status"] in among["status"] and document["starts_us"] >= micros(now)
            active |= {place.appointment_id} if is_active else set()
        return active

    async def _list(self, query: DocumentQuery) -> list[StoredAppointment]:
        return list(map(_read_document, await self.documents.list_matching(query)))


def _read_document(document: Document) -> StoredAppointment:
    try:
        return from_document(document)
    except Exception as error:
        log_unreadable("appointment", document["id"], error)
        starts_at, ends_at = from_micros(document["starts_us"]), from_micros(document["ends_us"])
        return UnreadableAppointment(UUID(document["id"]), document["edition"], starts_at, ends_at)


def _read_doctor(row: DoctorRow) -> ChangedDoctor | UnreadableDoctor:
    try:
        return ChangedDoctor(DOCTOR_ADAPTER.validate_python(row.snapshot), from_micros(row.stored_us))
    except Exception as error:
        log_unreadable("doctor", row.id, error)
        return UnreadableDoctor(UUID(row.id))


def _read_change(document: Document) -> StoredChange:
    """Return the change of a document, without lines of the audit trail; events that cannot be read are logged and left out."""
    stored = [*document["published_events"], *document["pending_events"]]
    events = read_rows("event", stored, _read_envelope, lambda _event: document["id"])
    of_appointment = tuple(event for event in events if event.get("type") != AuditRecorded.topic)
    return StoredChange(UUID(document["id"]), from_micros(document["changed_us"]), of_appointment)


def _read_envelope(event: str) -> dict[str, Any]:
    """Return an event as the CloudEvents envelope in which it is published."""
    envelope = json.loads(event)
    if not isinstance(envelope, dict) or not isinstance(envelope.get("data"), dict):
        raise TypeError("not a CloudEvents envelope")
    return envelope


def _pending_events(appointment: Appointment) -> list[str]:
    return list(map(event_text, appointment.unsaved_change.events)) if appointment.unsaved_change else []


def _allowed_ids(requested: tuple[UUID, ...], owners: tuple[UUID, ...] | None) -> list[str] | None:
    """Return the requested ids that are the owners'; None means any id."""
    if owners is None:
        return id_texts(requested) or None
    return id_texts(owner for owner in owners if not requested or owner in requested)


def _cursor_key(after: tuple[str, ...]) -> tuple[int, str]:
    """Return sort value and id of a cursor; raise BadCursor if it is not one of this list."""
    instant, appointment_id = parse_instant_and_id(after)
    return micros(instant), str(appointment_id)
