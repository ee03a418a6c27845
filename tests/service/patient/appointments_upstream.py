"""appointment-service as patient-service sees it: its list of appointments, and the names that they show."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.booking_history import AppointmentSnapshot, DoctorName, ServiceName, VisitRecord
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import not_found_response
from tests.service.patient.running_patient import DOCTOR, SAM, is_merge

SERVICE = UUID(int=500)
TOPICS = {"requested": "requested", "cancelled": "cancelled", "completed": "completed", "declined": "declined"}


def a_record(number: int, **changes: Any) -> VisitRecord:
    """Return an appointment of Sam at nine (UTC), `number` days after 1 March 2026."""
    starts_at = datetime(2026, 3, 1, 9, tzinfo=UTC) + timedelta(days=number)
    facts: dict[str, Any] = {"appointment_id": UUID(int=1000 + number), "version": 2, "status": "booked", "service_id": SERVICE}
    facts |= {"doctor_id": DOCTOR, "patient_id": SAM, "starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=30)}
    return VisitRecord(**facts | {"time_zone": "Europe/Berlin"} | changes)


def an_event_of(record: VisitRecord) -> AppointmentEvent:
    """Return the event that announces this version of an appointment."""
    facts = record.model_dump() | {"id": new_id(), "occurred_at": datetime(2026, 3, 1, tzinfo=UTC), "sequence": record.version}
    topic = f"appointment.{TOPICS.get(record.status, 'booked')}.v1"
    return AppointmentEvent.for_topic(topic, **facts, actor=Actor(id=record.patient_id, role=Role.PATIENT))


@dataclass
class AppointmentsUpstream:
    """Answers as appointment-service. `before_page` is called before each page; hosts do not answer while `is_down`."""

    records: dict[UUID, VisitRecord] = field(default_factory=dict)
    unlisted: set[UUID] = field(default_factory=set)
    page_size: int = 2
    is_down: bool = False
    cursors: list[str | None] = field(default_factory=list)
    before_page: Callable[[], None] = lambda: None

    def add(self, *records: VisitRecord) -> None:
        """Store appointments, each in the place of an older version."""
        self.records |= {record.appointment_id: record for record in records}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ReadError("down")
        if request.url.path == "/internal/visits":
            return self._page(request.url.params.get("after"))
        if request.url.path == "/internal/appointments":
            return json_response({"items": self._treating(request.url.params), "next": None})
        if request.url.path == "/internal/appointment-snapshots":
            ids = [UUID(text) for text in json.loads(request.content)["ids"]]
            return json_response({"items": [snapshot_of(self.records[known]) for known in ids if known in self.records]})
        return httpx.Response(204) if is_merge(request) else not_found_response()

    def _treating(self, params: httpx.QueryParams) -> list[dict[str, str]]:
        people = params["doctor_id"], params["patient_id"]
        ours = [record for record in self.records.values() if (str(record.doctor_id), str(record.patient_id)) == people]
        recent = [record for record in ours if record.starts_at >= datetime.fromisoformat(params["from"])]
        return [{"id": str(record.appointment_id)} for record in recent if record.status in params.get_list("status")][:1]

    def _page(self, cursor: str | None) -> httpx.Response:
        self.before_page()
        self.cursors.append(cursor)
        ids = sorted(known for known in self.records if cursor is None or known > UUID(cursor))
        listed = ids[: self.page_size]
        items = [self.records[known].model_dump(mode="json") for known in listed if known not in self.unlisted]
        return json_response({"items": items, "next": str(listed[-1]) if len(ids) > len(listed) else None})


def snapshot_of(record: VisitRecord) -> dict[str, Any]:
    """Return what an appointment shows."""
    doctor = DoctorName(id=record.doctor_id, full_name="Ada Weiss", title="Dr.")
    service = ServiceName(id=record.service_id, name="Check-up", mode="in_person")
    return AppointmentSnapshot(appointment_id=record.appointment_id, service=service, doctor=doctor).model_dump(mode="json")


def json_response(body: Any) -> httpx.Response:
    """Return a response with a JSON body."""
    return httpx.Response(200, json=body)
