"""A doctor's leave, told by the calendar over the bus: appointments come after it, and everyone hears of it once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.events import AppointmentCancelled, AppointmentRescheduled
from tests.service.appointment.clinic import ANNA, DESK, DR_GRAU, Clinic
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, NINE, TEN, a_doctor, a_service


async def test_a_moved_appointment_has_its_new_time_and_doctor_and_publishes_one_event(clinic: Clinic) -> None:
    clinic.around.doctors[COLLEAGUE] = a_doctor(id=COLLEAGUE, full_name="Bo Grau", time_zone="Europe/Lisbon")
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    for _ in range(2):
        await clinic.here.tell(event)
    assert await clinic.heard() == ["booked", "rescheduled"]
    moved = (await clinic.get(f"/appointments/{appointment['id']}")).json()
    assert (moved["status"], moved["starts_at"], moved["ends_at"]) == ("booked", "2026-03-09T09:00:00Z", "2026-03-09T09:30:00Z")
    assert (moved["doctor"]["full_name"], moved["local_start"], moved["version"]) == (
        "Bo Grau",
        "2026-03-09T09:00",
        appointment["version"] + 1,
    )
    told = clinic.here.heard[-1]
    assert isinstance(told, AppointmentRescheduled)
    assert (told.previous_starts_at, told.previous_doctor_id, told.actor.id) == (NINE, DOCTOR, DOCTOR)
    history = (await clinic.get(f"/appointments/{appointment['id']}/history")).json()["items"]
    assert [(entry["action"], entry["actor"]["role"]) for entry in history] == [("booked", "patient"), ("rescheduled", "doctor")]
    assert (await clinic.get(f"/appointments/{appointment['id']}", DR_GRAU)).status_code == 200


@pytest.mark.parametrize("approval", [False, True])
async def test_an_appointment_of_a_leave_is_cancelled_and_publishes_one_event(clinic: Clinic, approval: bool) -> None:
    clinic.around.rules = a_service(requires_approval=approval, cancel_cutoff_minutes=60 * 24 * 30)
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "cancelled")
    for _ in range(2):
        await clinic.here.tell(event)
    assert await clinic.heard() == ["requested" if approval else "booked", "cancelled"]
    assert isinstance(clinic.here.heard[-1], AppointmentCancelled)
    cancelled = (await clinic.get(f"/appointments/{appointment['id']}")).json()
    assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "The doctor is away.")
    assert clinic.around.calendar.reservations == {}
    assert (await clinic.do(appointment, "restore")).json()["status"] == "booked"


async def test_without_the_new_doctors_details_the_event_is_delivered_again(clinic: Clinic) -> None:
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    colleague = clinic.around.doctors.pop(COLLEAGUE)
    await clinic.here.tell(event)
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == appointment
    clinic.around.doctors[COLLEAGUE] = colleague
    clinic.here.clock.advance(timedelta(seconds=2))
    assert await clinic.heard() == ["booked", "rescheduled"]


async def test_the_reservation_of_an_appointment_that_was_cancelled_before_the_event_is_released(clinic: Clinic) -> None:
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    await clinic.do(appointment, "cancel", ANNA)
    assert len(clinic.around.calendar.reservations) == 1
    await clinic.here.tell(event)
    assert (clinic.around.calendar.reservations, await clinic.heard()) == ({}, ["booked", "cancelled"])


async def test_a_move_after_a_leave_is_refused_before_the_event_arrives(clinic: Clinic) -> None:
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    answer = await clinic.do(appointment, "reschedule", DESK, starts_at=(TEN + timedelta(hours=2)).isoformat())
    assert (answer.status_code, answer.json()["code"]) == (409, "slot_taken")
    assert answer.json()["detail"] == "The clinic moved this appointment meanwhile."
    await clinic.here.tell(event)
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json()["starts_at"] == "2026-03-09T09:00:00Z"
    assert await clinic.heard() == ["booked", "rescheduled"]
