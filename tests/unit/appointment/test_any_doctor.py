"""Booking with any doctor, or with a hold: the calendar chooses the doctor, and the intent keeps what was requested."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointment_svc.domain.refusals import NoSuchAppointment, PatientInactive, ServiceInactive, TooManyActive
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import NotFound, Refusal, Unavailable
from shared.contracts.relayed_refusals import HoldMismatch
from shared.kit.ids import new_id
from tests.unit.appointment.builders import (
    ANNA,
    COLLEAGUE,
    DESK,
    DOCTOR,
    PATIENT,
    STRANGER,
    TEN,
    a_booking_request,
    a_doctor,
    a_patient,
    a_service,
    an_appointment,
    pending_with_any_doctor,
    with_sync,
)
from tests.unit.appointment.fakes import FakeClinic

ANY_DOCTOR_REQUEST = a_booking_request(doctor_id="any")
HOLD = new_id()


async def test_the_calendar_chooses_the_doctor_and_the_appointment_stores_the_details() -> None:
    clinic = FakeClinic()
    appointment = await clinic.booking.book(ANY_DOCTOR_REQUEST, ANNA, new_id())
    assert [request.doctor_id for request in clinic.calendar.requests] == [None]
    assert appointment.doctor is not None
    assert (appointment.status, appointment.doctor.id, appointment.doctor.full_name, appointment.time_zone) == (
        AppointmentStatus.BOOKED,
        DOCTOR,
        "Ada Weiss",
        "Europe/Berlin",
    )
    assert clinic.inconsistencies() == []


async def test_choosing_the_doctor_is_published_as_a_booking_and_not_as_a_move() -> None:
    clinic = FakeClinic()
    appointment = await clinic.booking.book(ANY_DOCTOR_REQUEST, ANNA, new_id())
    (event,) = clinic.store.events
    assert (event.topic, event.doctor_id, event.previous_doctor_id, event.previous_starts_at) == (
        "appointment.booked.v1",
        DOCTOR,
        None,
        None,
    )
    assert (event.sequence, event.time_zone) == (0, "Europe/Berlin")
    assert ("doctor_id" in appointment.history[0].before, appointment.history[0].after["doctor_id"]) == (False, str(DOCTOR))


async def test_a_busy_doctor_is_replaced_by_a_free_one_and_without_a_free_one_the_booking_is_refused() -> None:
    clinic = FakeClinic()
    first = await clinic.booking.book(ANY_DOCTOR_REQUEST, ANNA, new_id())
    third = new_id()
    clinic.patients[third] = a_patient(id=third)
    second = await clinic.booking.book(a_booking_request(doctor_id="any", patient_id=STRANGER), DESK, new_id())
    assert (first.doctor_id, second.doctor_id, clinic.inconsistencies()) == (DOCTOR, COLLEAGUE, [])
    request, key = a_booking_request(doctor_id="any", patient_id=third), new_id()
    for _ in range(2):
        with pytest.raises(Refusal) as refusal:
            await clinic.booking.book(request, DESK, key)
        assert refusal.value.code == "slot_taken"
    refused = clinic.store.appointments[key]
    assert (refused.status, refused.doctor, refused.time_zone, refused.local_start) == (
        AppointmentStatus.REFUSED,
        None,
        "UTC",
        "2026-03-09T08:00",
    )
    assert clinic.topics == ["booked", "booked"]


async def test_a_change_of_an_appointment_without_a_doctor_is_recorded_and_not_published() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(with_sync(pending_with_any_doctor(status=AppointmentStatus.REFUSED), intent=None))
    amended = await clinic.actions.amend(clinic.context(ANNA, appointment), {"reason": "knee"})
    assert (amended.reason, [entry.action for entry in amended.history], clinic.topics) == ("knee", ["amended"], [])


@pytest.mark.parametrize("doctor", [a_doctor(accepting_patients=False), a_doctor(active=False)])
async def test_a_doctor_chosen_by_the_calendar_is_not_checked_again(doctor: object) -> None:
    clinic = FakeClinic(doctors={DOCTOR: doctor})  # type: ignore[dict-item]
    assert (await clinic.booking.book(ANY_DOCTOR_REQUEST, ANNA, new_id())).status is AppointmentStatus.BOOKED


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"service": a_service(active=False)}, ServiceInactive),
        ({"patients": {PATIENT: a_patient(active=False)}}, PatientInactive),
        ({"max_active": 0}, TooManyActive),
        ({"service": a_service(id=new_id())}, NotFound),
    ],
)
async def test_the_other_booking_rules_hold_for_any_doctor_too(change: dict[str, object], refusal: type[Refusal]) -> None:
    clinic = FakeClinic(**change)  # type: ignore[arg-type]
    with pytest.raises(refusal):
        await clinic.booking.book(ANY_DOCTOR_REQUEST, ANNA, new_id())
    assert (clinic.store.appointments, clinic.calendar.requests) == ({}, [])


@pytest.mark.parametrize("doctor_service", ["down", "unknown doctor"])
async def test_without_the_chosen_doctors_details_the_booking_stays_pending_until_the_job_has_them(doctor_service: str) -> None:
    clinic = FakeClinic(
        doctor_service_down=doctor_service == "down", doctors={} if doctor_service == "unknown doctor" else {DOCTOR: a_doctor()}
    )
    appointment = await clinic.booking.book(ANY_DOCTOR_REQUEST, ANNA, new_id())
    assert (appointment.status, appointment.doctor, appointment.time_zone, appointment.local_start) == (
        AppointmentStatus.PENDING,
        None,
        "UTC",
        "2026-03-09T08:00",
    )
    clinic.clock.advance(timedelta(minutes=1))
    assert await clinic.reconciliation.retry_pending() == 0
    clinic.doctors = {DOCTOR: a_doctor()}
    clinic.calendar.doctors = (COLLEAGUE, DOCTOR)
    await clinic.restart()
    completed = clinic.store.appointments[appointment.id]
    assert (completed.status, completed.doctor_id, clinic.topics, clinic.inconsistencies()) == (
        AppointmentStatus.BOOKED,
        DOCTOR,
        ["booked"],
        [],
    )


async def test_the_details_of_a_named_doctor_are_read_once() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(AppointmentStatus.PENDING))
    clinic.doctor_service_down = True
    assert (await clinic.synchronizer.complete_pending(appointment)).status is AppointmentStatus.BOOKED


async def test_a_pending_booking_with_any_doctor_is_completed_before_it_is_moved() -> None:
    for doctor_id, expected in ((None, DOCTOR), (DOCTOR, DOCTOR), (COLLEAGUE, COLLEAGUE)):
        clinic = FakeClinic()
        appointment = clinic.add(pending_with_any_doctor())
        moved = await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=TEN, doctor_id=doctor_id)
        assert (moved.slot, clinic.topics, clinic.inconsistencies()) == ((TEN, expected), ["booked", "rescheduled"], [])


async def test_a_doctor_does_not_see_a_booking_without_a_chosen_doctor() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(pending_with_any_doctor())
    with pytest.raises(NoSuchAppointment):
        await clinic.queries.get(Caller(DOCTOR, Role.DOCTOR), appointment.id)
    assert await clinic.queries.get(ANNA, appointment.id) == appointment


async def test_a_hold_is_sent_with_the_booking_also_by_the_job() -> None:
    clinic = FakeClinic()
    clinic.calendar.failure = Unavailable()
    appointment = await clinic.booking.book(a_booking_request(hold_id=HOLD), ANNA, new_id())
    assert appointment.status is AppointmentStatus.PENDING
    await clinic.restart()
    assert [request.hold_id for request in clinic.calendar.requests] == [HOLD]
    await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=TEN)
    assert [request.hold_id for request in clinic.calendar.requests] == [HOLD, None]


async def test_a_refused_hold_is_refused_again() -> None:
    clinic = FakeClinic()
    clinic.calendar.failure = HoldMismatch()
    key = new_id()
    for _ in range(2):
        with pytest.raises(Refusal) as refusal:
            await clinic.booking.book(a_booking_request(hold_id=HOLD), ANNA, key)
        assert refusal.value.code == "hold_mismatch"
    assert clinic.store.appointments[key].status is AppointmentStatus.REFUSED
