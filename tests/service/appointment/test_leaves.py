"""A doctor's leave, announced over the bus: appointments follow their reservations, with one event each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.events import AppointmentCancelled, AppointmentRescheduled
from tests.service.appointment.clinic import ANNA, DESK, DR_GRAU, RunningClinic
from tests.unit.appointment.builders import COLLEAGUE, DOCTOR, NINE, TEN, a_doctor, a_service


async def test_a_moved_appointment_has_its_new_time_and_doctor_and_publishes_one_event(clinic: RunningClinic) -> None:
    clinic.upstreams.doctors[COLLEAGUE] = a_doctor(id=COLLEAGUE, full_name="Bo Grau", time_zone="Europe/Lisbon")
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    for _ in range(2):
        await clinic.service.publish_event(event)
    assert await clinic.published() == ["booked", "rescheduled"]
    moved = (await clinic.get(f"/appointments/{appointment['id']}")).json()
    assert (moved["status"], moved["starts_at"], moved["ends_at"]) == ("booked", "2026-03-09T09:00:00Z", "2026-03-09T09:30:00Z")
    assert (moved["doctor"]["full_name"], moved["local_start"], moved["version"]) == (
        "Bo Grau",
        "2026-03-09T09:00",
        appointment["version"] + 1,
    )
    rescheduled = clinic.service.published[-1]
    assert isinstance(rescheduled, AppointmentRescheduled)
    assert (rescheduled.previous_starts_at, rescheduled.previous_doctor_id, rescheduled.actor.id) == (NINE, DOCTOR, DOCTOR)
    history = (await clinic.get(f"/appointments/{appointment['id']}/history")).json()["items"]
    assert [(entry["action"], entry["actor"]["role"]) for entry in history] == [("booked", "patient"), ("rescheduled", "doctor")]
    assert (await clinic.get(f"/appointments/{appointment['id']}", DR_GRAU)).status_code == 200


@pytest.mark.parametrize("approval", [False, True])
async def test_an_appointment_of_a_leave_is_cancelled_and_publishes_one_event(clinic: RunningClinic, approval: bool) -> None:
    clinic.upstreams.service = a_service(requires_approval=approval, cancel_cutoff_minutes=60 * 24 * 30)
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "cancelled")
    for _ in range(2):
        await clinic.service.publish_event(event)
    assert await clinic.published() == ["requested" if approval else "booked", "cancelled"]
    assert isinstance(clinic.service.published[-1], AppointmentCancelled)
    cancelled = (await clinic.get(f"/appointments/{appointment['id']}")).json()
    assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "The doctor is away.")
    assert clinic.upstreams.calendar.reservations == {}
    assert (await clinic.do(appointment, "restore")).json()["status"] == "booked"


async def test_without_the_new_doctors_details_the_event_is_delivered_again(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    colleague = clinic.upstreams.doctors.pop(COLLEAGUE)
    await clinic.service.publish_event(event)
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == appointment
    clinic.upstreams.doctors[COLLEAGUE] = colleague
    clinic.service.clock.advance(timedelta(seconds=2))
    assert await clinic.published() == ["booked", "rescheduled"]


async def test_the_reservation_of_an_appointment_that_was_cancelled_before_the_event_is_released(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    await clinic.do(appointment, "cancel", ANNA)
    assert len(clinic.upstreams.calendar.reservations) == 1
    await clinic.service.publish_event(event)
    assert (clinic.upstreams.calendar.reservations, await clinic.published()) == ({}, ["booked", "cancelled"])


async def test_a_move_after_a_leave_is_refused_before_the_event_arrives(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    event = clinic.take_leave(appointment, "moved")
    response = await clinic.do(appointment, "reschedule", DESK, starts_at=(TEN + timedelta(hours=2)).isoformat())
    assert (response.status_code, response.json()["code"]) == (409, "slot_taken")
    assert response.json()["detail"] == "The clinic moved this appointment meanwhile."
    await clinic.service.publish_event(event)
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json()["starts_at"] == "2026-03-09T09:00:00Z"
    assert await clinic.published() == ["booked", "rescheduled"]
