"""Concurrent changes: each decides again after another was saved, and no change is lost or applied twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from appointment_svc.domain.refusals import IllegalMove
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.refusals import Refusal, Stale
from shared.kit.ids import new_id
from tests.unit.appointment.builders import ADMIN, ANNA, DESK, NINE, TEN, a_booking_request, a_change, an_appointment, with_sync
from tests.unit.appointment.fakes import FakeClinic

ELEVEN = TEN + timedelta(hours=1)


async def test_a_move_is_refused_when_a_cancellation_was_saved_first() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.store.saved_meanwhile = [appointment.cancel(a_change())]
    with pytest.raises(IllegalMove):
        await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=TEN)
    clinic.store.events.clear()
    await clinic.restart()
    assert (clinic.store.appointments[appointment.id].status, clinic.inconsistencies()) == (AppointmentStatus.CANCELLED, [])


async def test_a_cancellation_completes_a_pending_move_first() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.store.saved_meanwhile = [appointment.reschedule(a_change(), starts_at=TEN)]
    cancelled = await clinic.actions.cancel(clinic.context(ANNA, appointment), None)
    assert (cancelled.status, cancelled.starts_at, clinic.topics, clinic.inconsistencies()) == (
        AppointmentStatus.CANCELLED,
        TEN,
        ["rescheduled", "cancelled"],
        [],
    )


async def test_two_moves_at_once_are_done_one_after_the_other() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.store.saved_meanwhile = [appointment.reschedule(a_change(), starts_at=TEN)]
    moved = await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=ELEVEN)
    assert (moved.starts_at, moved.version, clinic.topics, clinic.inconsistencies()) == (ELEVEN, 4, ["rescheduled"] * 2, [])


async def test_a_stale_version_is_refused() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.store.saved_meanwhile = [appointment.reschedule(a_change(), starts_at=TEN)]
    with pytest.raises(Stale) as refusal:
        await clinic.actions.reschedule(clinic.context(ANNA, appointment, expected_version=2), starts_at=ELEVEN)
    assert refusal.value.facts == {"version": 3}


async def test_request_and_job_may_complete_the_same_intent_at_once() -> None:
    for taken in (False, True):
        clinic = FakeClinic()
        if taken:
            clinic.add(an_appointment(patient=replace(an_appointment().patient, id=new_id())))
        pending = clinic.add(an_appointment(AppointmentStatus.PENDING))
        results = await asyncio.gather(clinic.synchronizer.complete_pending(pending), clinic.synchronizer.complete_pending(pending))
        assert {appointment.status for appointment in results} == {AppointmentStatus.REFUSED if taken else AppointmentStatus.BOOKED}
        assert (clinic.topics, clinic.inconsistencies()) == ([] if taken else ["booked"], [])


async def test_a_refusal_that_the_job_stored_reaches_the_request() -> None:
    """The job completed the move while its request was running."""
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.add(an_appointment(starts_at=TEN, patient=replace(appointment.patient, id=new_id())))
    context = clinic.context(ANNA, appointment)
    pending = await clinic.store.save(appointment.reschedule(a_change(operation_id=context.operation_id), starts_at=TEN))
    await clinic.synchronizer.complete_pending(pending)
    with pytest.raises(Refusal) as refusal:
        await clinic.actions.reschedule(context, starts_at=TEN)
    assert (refusal.value.code, clinic.inconsistencies()) == ("slot_taken", [])


async def test_a_booking_that_another_process_confirmed_is_not_refused() -> None:
    """The calendar may refuse the second of two equal requests when the slot has changed in between; what was granted stays granted."""
    clinic = FakeClinic()
    pending = clinic.add(an_appointment(AppointmentStatus.PENDING))
    rival = clinic.add(an_appointment(patient=replace(pending.patient, id=new_id())))
    assert pending.sync.intent is not None
    granted = with_sync(replace(pending, status=AppointmentStatus.BOOKED, version=2), intent=None, revision=1)
    clinic.store.saved_meanwhile = [granted]
    assert (await clinic.booking.book(a_booking_request(), ANNA, pending.id)).status is AppointmentStatus.BOOKED
    assert rival.id in clinic.calendar.reservations


async def test_ten_moves_at_once_leave_one_consistent_appointment() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    moves = [
        clinic.actions.reschedule(clinic.context(DESK, appointment), starts_at=TEN + number * timedelta(hours=1)) for number in range(10)
    ]
    await asyncio.gather(*moves)
    assert (clinic.inconsistencies(), clinic.topics, clinic.store.appointments[appointment.id].version) == ([], ["rescheduled"] * 10, 12)


async def test_a_repeated_request_is_applied_once() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    context = clinic.context(ANNA, appointment, expected_version=2)
    first = await clinic.actions.reschedule(context, starts_at=TEN)
    again = await clinic.actions.reschedule(context, starts_at=TEN)
    assert (again, clinic.topics) == (first, ["rescheduled"])


async def test_a_move_to_the_same_time_changes_nothing() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    assert (await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=NINE)).version == appointment.version
    assert (clinic.topics, clinic.calendar.requests) == ([], [])


async def test_an_admin_moves_and_sets_the_status_in_one_edit() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(AppointmentStatus.REQUESTED))
    edited = await clinic.actions.edit(
        clinic.context(ADMIN, appointment, expected_version=2),
        starts_at=TEN,
        doctor_id=None,
        status=AppointmentStatus.BOOKED,
        reason="phone call",
    )
    assert (edited.status, edited.starts_at, clinic.topics, clinic.inconsistencies()) == (
        AppointmentStatus.BOOKED,
        TEN,
        ["rescheduled", "booked"],
        [],
    )
    assert [entry.note for entry in edited.history] == ["phone call"] * 2


async def test_an_illegal_status_also_aborts_the_move() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    with pytest.raises(IllegalMove):
        await clinic.actions.edit(
            clinic.context(ADMIN, appointment), starts_at=TEN, doctor_id=None, status=AppointmentStatus.COMPLETED, reason="because"
        )
    assert (clinic.store.appointments[appointment.id], clinic.topics) == (appointment, [])


async def test_a_stale_edit_is_refused_even_when_nothing_would_change() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    with pytest.raises(Stale):
        await clinic.actions.edit(
            clinic.context(ADMIN, appointment, expected_version=1),
            starts_at=None,
            doctor_id=None,
            status=AppointmentStatus.BOOKED,
            reason="because",
        )
