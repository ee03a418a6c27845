"""Who may book for whom, who sees an appointment, and what a booking stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from appointment_svc.domain.refusals import (
    DoctorInactive,
    DoctorNotAccepting,
    NoSuchAppointment,
    PatientInactive,
    PatientRequired,
    ServiceInactive,
    TooManyActive,
)
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import NotFound, Refusal
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit.ids import new_id
from tests.unit.appointment.builders import (
    ADMIN,
    ANNA,
    COLLEAGUE,
    DESK,
    DOCTOR,
    DR_WEISS,
    NINE,
    PATIENT,
    STRANGER,
    a_booking_request,
    a_doctor,
    a_patient,
    a_service,
    an_appointment,
)
from tests.unit.appointment.fakes import FakeClinic


async def test_a_booking_stores_service_doctor_and_patient_as_they_were() -> None:
    clinic = FakeClinic()
    appointment = await clinic.booking.book(a_booking_request(reason="knee", intake={"pain": "yes"}), ANNA, new_id())
    clinic.service = a_service(name="Other", duration_minutes=60)
    clinic.doctors[DOCTOR] = a_doctor(full_name="Ada Schwarz")
    saved = clinic.store.appointments[appointment.id]
    assert (saved.service.name, saved.doctor and saved.doctor.full_name, saved.patient.full_name) == (
        "Knee check-up",
        "Ada Weiss",
        "Anna Ames",
    )
    assert (saved.reason, saved.intake, saved.local_start, saved.time_zone) == (
        "knee",
        {"pain": "yes"},
        "2026-03-09T09:00",
        "Europe/Berlin",
    )


async def test_the_calendar_gets_the_versions_of_the_rules_that_were_read() -> None:
    clinic = FakeClinic(service=a_service(version=4))
    clinic.doctors[DOCTOR] = a_doctor(version=7)
    await clinic.booking.book(a_booking_request(), ANNA, new_id())
    assert [(request.service_version, request.doctor_version) for request in clinic.calendar.requests] == [(4, 7)]


async def test_without_a_named_doctor_the_doctor_version_is_zero() -> None:
    clinic = FakeClinic(service=a_service(version=4))
    await clinic.booking.book(a_booking_request(doctor_id="any"), ANNA, new_id())
    assert [(request.service_version, request.doctor_version) for request in clinic.calendar.requests] == [(4, 0)]


async def test_a_service_that_needs_approval_is_requested_and_its_time_reserved() -> None:
    clinic = FakeClinic(service=a_service(requires_approval=True))
    appointment = await clinic.booking.book(a_booking_request(), ANNA, new_id())
    assert (appointment.status, clinic.topics, clinic.inconsistencies()) == (AppointmentStatus.REQUESTED, ["requested"], [])
    approved = await clinic.actions.approve(clinic.context(DR_WEISS, appointment))
    assert (approved.status, clinic.topics[-1], clinic.inconsistencies()) == (AppointmentStatus.BOOKED, "booked", [])


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"service": a_service(active=False)}, ServiceInactive),
        ({"doctors": {DOCTOR: a_doctor(active=False)}}, DoctorInactive),
        ({"doctors": {DOCTOR: a_doctor(accepting_patients=False)}}, DoctorNotAccepting),
        ({"patients": {PATIENT: a_patient(active=False)}}, PatientInactive),
        ({"doctors": {}}, NotFound),
    ],
)
async def test_an_impossible_booking_is_refused_before_anything_is_saved(change: dict[str, object], refusal: type[Refusal]) -> None:
    clinic = FakeClinic(**change)  # type: ignore[arg-type]
    with pytest.raises(refusal):
        await clinic.booking.book(a_booking_request(), ANNA, new_id())
    assert (clinic.store.appointments, clinic.calendar.requests) == ({}, [])


async def test_reception_books_for_a_named_patient_also_with_a_doctor_who_accepts_no_patients() -> None:
    clinic = FakeClinic(doctors={DOCTOR: a_doctor(accepting_patients=False)})
    with pytest.raises(PatientRequired):
        await clinic.booking.book(a_booking_request(), DESK, new_id())
    appointment = await clinic.booking.book(a_booking_request(patient_id=STRANGER), DESK, new_id())
    assert (appointment.patient.id, clinic.calendar.requests[0].by.role) == (STRANGER, Role.RECEPTION)


async def test_a_patient_cannot_book_for_another_patient() -> None:
    clinic = FakeClinic()
    with pytest.raises(NoSuchPatient):
        await clinic.booking.book(a_booking_request(patient_id=STRANGER), ANNA, new_id())
    assert (await clinic.booking.book(a_booking_request(patient_id=PATIENT), ANNA, new_id())).patient.id == PATIENT


async def test_a_patient_has_a_limited_number_of_active_appointments() -> None:
    clinic = FakeClinic(max_active=2)
    first, second = [clinic.add(an_appointment(starts_at=NINE + number * timedelta(days=1))) for number in (1, 2)]
    clinic.add(an_appointment(AppointmentStatus.CANCELLED))
    clinic.add(an_appointment(starts_at=NINE - timedelta(days=30)))
    with pytest.raises(TooManyActive) as refusal:
        await clinic.booking.book(a_booking_request(), ANNA, new_id())
    assert refusal.value.facts == {"limit": 2}
    assert (await clinic.booking.book(a_booking_request(patient_id=STRANGER), DESK, new_id())).status is AppointmentStatus.BOOKED
    await clinic.actions.cancel(clinic.context(ANNA, second), None)
    assert (
        await clinic.booking.book(a_booking_request(starts_at=NINE + timedelta(hours=4)), ANNA, new_id())
    ).status is AppointmentStatus.BOOKED
    assert first.id in clinic.calendar.reservations


@pytest.mark.parametrize(
    ("caller", "is_visible"),
    [
        (ANNA, True),
        (DR_WEISS, True),
        (DESK, True),
        (ADMIN, True),
        (Caller(STRANGER, Role.PATIENT), False),
        (Caller(COLLEAGUE, Role.DOCTOR), False),
        (Caller(PATIENT, Role.DOCTOR), False),
        (Caller(DOCTOR, Role.PATIENT), False),
        (Caller(UUID(int=1), Role.SERVICE, client="admin-service"), False),
    ],
)
async def test_for_others_an_appointment_does_not_exist(caller: Caller, is_visible: bool) -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    if is_visible:
        assert (await clinic.queries.get(caller, appointment.id)).id == appointment.id
        return
    with pytest.raises(NoSuchAppointment):
        await clinic.queries.get(caller, appointment.id)
    with pytest.raises(NoSuchAppointment):
        await clinic.actions.cancel(clinic.context(caller, appointment), None)


async def test_an_amendment_keeps_the_status_and_publishes_only_real_changes() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(reason="knee"))
    amended = await clinic.actions.amend(clinic.context(ANNA, appointment, expected_version=2), {"reason": None, "intake": {"a": "b"}})
    assert (amended.reason, amended.intake, amended.status, amended.version) == (None, {"a": "b"}, AppointmentStatus.BOOKED, 3)
    again = await clinic.actions.amend(clinic.context(ANNA, appointment, expected_version=3), {"reason": None})
    assert (again.version, clinic.topics) == (3, ["amended"])


async def test_an_inactive_doctor_cannot_take_over() -> None:
    clinic = FakeClinic(doctors={DOCTOR: a_doctor(), COLLEAGUE: a_doctor(id=COLLEAGUE, active=False)})
    appointment = clinic.add(an_appointment())
    with pytest.raises(DoctorInactive):
        await clinic.actions.reschedule(clinic.context(DESK, appointment), doctor_id=COLLEAGUE)
    assert replace(appointment) == clinic.store.appointments[appointment.id]


async def test_the_event_of_a_reassignment_names_both_doctors() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    moved = await clinic.actions.reschedule(clinic.context(DESK, appointment), doctor_id=COLLEAGUE)
    event = clinic.store.events[-1]
    assert (event.doctor_id, event.previous_doctor_id, event.previous_starts_at, event.sequence) == (COLLEAGUE, DOCTOR, NINE, 1)
    assert (moved.doctor_id, clinic.inconsistencies()) == (COLLEAGUE, [])
