"""Documents that this release cannot read, on every back end: the jobs leave them as they are and go on with the others."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.repository.documents import DoctorRow, micros
from appointment_svc.repository.relay import DocumentRelay
from appointment_svc.usecases.doctors import DoctorFollower
from appointment_svc.usecases.erasure import AppointmentErasure
from appointment_svc.usecases.merged_patients import MergeFollower
from appointment_svc.usecases.reconcile import BATCH, Reconciliation
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.kit.clock import MovableClock
from tests.contract.test_appointment_store import AppointmentEventBus, Backend, cancelled, mongo, sqlite, stored_document
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, HALF, NINE, NOON, PATIENT, STRANGER, TEN, a_doctor_snapshot, an_appointment
from tests.unit.appointment.fakes import RETRY_AFTER, FakeClinic

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    clock = MovableClock(NOON + MINUTE, running=False)
    opened = sqlite(tmp_path, clock) if request.param == "sqlite" else mongo(request.getfixturevalue("mongo_url"), clock)
    async with opened as backend:
        yield backend


@pytest.fixture
def clinic(backend: Backend) -> FakeClinic:
    """The jobs over the stored documents, with a fake calendar."""
    clinic = FakeClinic()
    synchronizer = CalendarSynchronizer(backend.store, clinic.calendar, clinic, backend.clock)
    clinic.reconciliation = Reconciliation(backend.store, clinic.calendar, synchronizer, backend.clock, RETRY_AFTER)
    clinic.doctor_follower = DoctorFollower(backend.store, synchronizer, backend.clock)
    erasure = AppointmentErasure(backend.store, synchronizer, clinic, clinic, backend.clock)
    clinic.merge_follower = MergeFollower(backend.store, synchronizer, clinic, erasure, backend.clock)
    return clinic


async def add_unreadable(backend: Backend, appointment: Appointment, **changes: Any) -> None:
    """Store an appointment as a newer release might have left it: by default with a kind of intent that this release does not know."""
    await backend.add(appointment)
    document = await stored_document(backend, appointment)
    fields = changes or {"intent": document["intent"] | {"kind": "teleport"}}
    assert await backend.documents.update(str(appointment.id), appointment.row_version, fields, None)


async def test_pending_appointments_that_cannot_be_read_do_not_stop_the_others(
    backend: Backend, clinic: FakeClinic, caplog: pytest.LogCaptureFixture
) -> None:
    """As many as the job reads at once are due before the one that can be read."""
    unreadable = [an_appointment(AppointmentStatus.PENDING, id=UUID(int=number)) for number in range(BATCH)]
    for appointment in unreadable:
        await add_unreadable(backend, appointment)
    readable = an_appointment(AppointmentStatus.PENDING, id=UUID(int=BATCH))
    await backend.add(readable)
    before = await stored_document(backend, unreadable[0])
    assert [await clinic.reconciliation.retry_pending() for _ in range(3)] == [BATCH, 1, 0]
    assert (await backend.store.get(readable.id)).status is AppointmentStatus.BOOKED
    assert await stored_document(backend, unreadable[0]) == before | {"unsettled_us": micros(backend.clock() - RETRY_AFTER + MINUTE)}
    facts = [record.__dict__["facts"] for record in caplog.records if record.message == "stored_item_unreadable"]
    assert facts[0] == {"kind": "appointment", "id": str(unreadable[0].id), "reason": "ValidationError", "fields": ["sync"]}
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


async def test_a_pending_appointment_that_a_newer_release_can_read_again_is_completed(backend: Backend, clinic: FakeClinic) -> None:
    appointment = an_appointment(AppointmentStatus.PENDING)
    await add_unreadable(backend, appointment)
    intent = (await stored_document(backend, appointment))["intent"] | {"kind": "book"}
    assert await clinic.reconciliation.retry_pending() == 1
    await backend.documents.update(str(appointment.id), appointment.row_version, {"intent": intent}, None)
    backend.clock.advance(MINUTE)
    assert await clinic.reconciliation.retry_pending() == 1
    assert (await backend.store.get(appointment.id)).status is AppointmentStatus.BOOKED


async def test_a_request_that_cannot_be_read_does_not_stop_the_expiry_of_others(backend: Backend, clinic: FakeClinic) -> None:
    unreadable, readable = (an_appointment(AppointmentStatus.REQUESTED, starts_at=NINE + number * HALF) for number in (0, 1))
    await add_unreadable(backend, unreadable, patient={})
    await backend.add(readable)
    backend.clock.set(TEN)
    assert await clinic.reconciliation.expire_requests() == 1
    assert (await backend.store.get(readable.id)).status is AppointmentStatus.EXPIRED


@pytest.mark.parametrize("changes", [{"status": "hovering"}, {"patient": {}}], ids=["status", "patient"])
async def test_an_appointment_that_cannot_be_read_keeps_its_reservation_while_others_are_compared(
    backend: Backend, clinic: FakeClinic, changes: dict[str, Any]
) -> None:
    unreadable, reclaimed = an_appointment(), an_appointment(starts_at=TEN)
    orphan = an_appointment(starts_at=TEN + HALF)
    await add_unreadable(backend, unreadable, **changes)
    await backend.add(reclaimed)
    for appointment in (unreadable, orphan):
        clinic.reserve_for(appointment)
    await clinic.reconciliation.reconcile()
    assert set(clinic.calendar.reservations) == {unreadable.id, reclaimed.id}


async def test_an_appointment_that_cannot_be_read_does_not_stop_the_others_of_a_merged_patient_and_follows_once_it_can(
    backend: Backend, clinic: FakeClinic
) -> None:
    unreadable, readable = an_appointment(), an_appointment(starts_at=TEN)
    await add_unreadable(backend, unreadable, status="hovering")
    await backend.add(readable)
    await backend.store.save_merged_patient(PATIENT, STRANGER, backend.clock())
    backend.clock.advance(MINUTE)
    assert [await clinic.merge_follower.follow_merges() for _ in range(2)] == [1, 0]
    assert (await backend.store.get(readable.id)).patient_id == STRANGER
    assert [merged.id for merged in await backend.store.list_merged_patients(10, None)] == [PATIENT]
    await backend.documents.update(str(unreadable.id), unreadable.row_version, {"status": "booked"}, None)
    assert [await clinic.merge_follower.follow_merges() for _ in range(2)] == [1, 0]
    assert (await backend.store.get(unreadable.id)).patient_id == STRANGER
    assert await backend.store.list_merged_patients(10, None) == []


async def test_what_cannot_be_read_does_not_stop_appointments_from_following_their_doctors(backend: Backend, clinic: FakeClinic) -> None:
    unreadable_doctor, doctor, colleague = UUID(int=1), a_doctor_snapshot(version=9, location="Room 9"), a_doctor_snapshot(id=COLLEAGUE)
    await backend.documents.save_doctor(DoctorRow(str(unreadable_doctor), 1, {}, micros(NOON), False), None)
    for changed in (doctor, colleague):
        await backend.store.save_doctor(changed, NOON)
    unreadable, readable = an_appointment(), an_appointment(starts_at=TEN)
    await add_unreadable(backend, unreadable, patient={})
    await backend.add(readable)
    await clinic.doctor_follower.follow_doctors()
    followed = (await backend.store.get(readable.id)).doctor
    assert followed is not None
    assert followed.version == doctor.version
    to_follow = [changed.id for changed in await backend.store.list_changed_doctors(10, None)]
    assert to_follow == [unreadable_doctor, DOCTOR], "only the colleague has no appointment left that must follow"


async def test_doctors_to_follow_are_listed_in_pages(backend: Backend) -> None:
    for doctor in (UUID(int=number) for number in (3, 1, 2)):
        await backend.store.save_doctor(a_doctor_snapshot(id=doctor), NOON)
    pages = [await backend.store.list_changed_doctors(2, after) for after in (None, UUID(int=2), UUID(int=3))]
    assert [[changed.id.int for changed in page] for page in pages] == [[1, 2], [3], []]


async def test_an_event_that_cannot_be_read_does_not_stop_the_others(backend: Backend) -> None:
    first, second = (an_appointment(id=UUID(int=number)) for number in (1, 2))
    await backend.add(first, second)
    await backend.documents.update(str(first.id), first.row_version, {}, None, ["{"])
    await backend.store.save(cancelled(second))
    bus = AppointmentEventBus()
    assert await DocumentRelay(backend.documents, bus, backend.clock).publish() == 2
    assert [event["type"] for event in bus.published] == ["appointment.cancelled.v1"]
    assert (await stored_document(backend, first))["pending_events"] == ["{"]
