"""An overridden booking on every back end of appointments: appointment, history entry and both events are one write."""

from __future__ import annotations

from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.repository.relay import DocumentRelay
from shared.contracts.appointments import OverrideCode
from shared.contracts.http import Reservation, StaffOverride
from shared.kit.logs import request_id
from tests.contract.test_appointment_store import AppointmentEventBus, Backend
from tests.contract.test_appointment_store import backend as backend
from tests.unit.appointment.builders import (
    DOCTOR,
    HALF,
    NINE,
    PATIENT,
    TEN,
    a_change,
    after_reply,
    an_appointment,
    request_of,
)

OVERBOOK = StaffOverride(code=OverrideCode.OVERBOOK, reason="In acute pain")


async def test_the_event_for_the_audit_trail_is_written_with_the_change_and_published_once(backend: Backend) -> None:
    appointment = an_appointment(starts_at=TEN)
    await backend.add(appointment)
    moving = await backend.store.save(appointment.reschedule(a_change(), starts_at=NINE, override=OVERBOOK))
    assert (await backend.store.get(appointment.id)).sync.intent == moving.sync.intent
    request = request_of(moving)
    ids = {"appointment_id": moving.id, "service_id": moving.service.id, "doctor_id": DOCTOR, "patient_id": PATIENT}
    granted = Reservation(**ids, starts_at=NINE, ends_at=NINE + HALF, revision=request.revision, override=request.override)
    token = request_id.set("01a22757-0d32-7483-b6cd-28e60168092e")
    moved = await backend.store.save(after_reply(moving, granted))
    request_id.reset(token)

    stored = await backend.store.get(appointment.id)
    assert (stored, stored.status, stored.overridden and stored.overridden.code) == (moved, AppointmentStatus.BOOKED, "overbook")
    assert stored.history[-1].override == stored.overridden
    bus = AppointmentEventBus()
    relay = DocumentRelay(backend.documents, bus, backend.clock)
    assert [await relay.publish(), await relay.publish()] == [3, 0]
    assert [event["type"] for event in bus.published] == ["appointment.rescheduled.v1"]
    lines = {event["data"]["action"]: event["data"] for event in bus.reported}
    assert lines.keys() == {"appointment.rescheduled", "appointment.overridden"}
    overridden = lines["appointment.overridden"]
    assert (overridden["relation"], overridden["request_id"]) == ("overbook", "01a22757-0d32-7483-b6cd-28e60168092e")
    assert "acute" not in str((bus.published, bus.reported))


async def test_the_reason_is_gone_after_texts_were_erased(backend: Backend) -> None:
    appointment = an_appointment(starts_at=TEN)
    await backend.add(appointment)
    moving = await backend.store.save(appointment.reschedule(a_change(), starts_at=NINE, override=OVERBOOK))
    await backend.store.save_erased(moving.erase_texts(a_change()))
    (document,) = await backend.documents.get_many([str(appointment.id)])
    assert "acute" not in str(document)
