"""The calendar may answer with another reservation than the requested one: then nothing was granted, and nothing is saved as granted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.refusals import Refusal, Unavailable
from tests.unit.appointment.builders import (
    ANNA,
    COLLEAGUE,
    DESK,
    NINE,
    STRANGER,
    TEN,
    a_booking_request,
    a_change,
    a_leave,
    a_leave_outcome,
    after_reply,
    an_appointment,
    pending_with_any_doctor,
    request_of,
)
from tests.unit.appointment.fakes import FakeClinic

S = AppointmentStatus
ELEVEN = TEN + timedelta(hours=1)


@pytest.fixture
def clinic() -> FakeClinic:
    return FakeClinic()


@pytest.mark.parametrize(
    ("changes", "fulfils_named_doctor", "fulfils_any_doctor"),
    [
        ({}, True, True),
        ({"starts_at": NINE + timedelta(microseconds=5)}, True, True),
        ({"revision": 2}, False, False),
        ({"starts_at": TEN}, False, False),
        ({"doctor_id": COLLEAGUE}, False, True),
    ],
)
def test_an_intent_is_fulfilled_only_by_its_own_time_doctor_and_revision(
    changes: dict[str, object], fulfils_named_doctor: bool, fulfils_any_doctor: bool
) -> None:
    for appointment, expected in ((an_appointment(S.PENDING), fulfils_named_doctor), (pending_with_any_doctor(), fulfils_any_doctor)):
        assert appointment.sync.intent is not None
        granted = FakeClinic().calendar.decide(appointment.id, request_of(appointment)).model_copy(update=changes)
        assert appointment.sync.intent.is_fulfilled_by(granted) is expected


async def test_a_move_after_a_leave_is_refused_and_the_event_moves_the_appointment_to_its_reservation(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    event = clinic.take_leave(appointment, "moved")
    context = clinic.context(ANNA, appointment)
    for _ in range(2):
        with pytest.raises(Refusal, match="The clinic moved this appointment meanwhile") as refusal:
            await clinic.actions.reschedule(context, starts_at=ELEVEN)
        assert refusal.value.code == "slot_taken"
    assert (clinic.store.appointments[appointment.id].slot, clinic.topics, len(clinic.calendar.requests)) == (appointment.slot, [], 1)
    await clinic.leaves.follow_leave(event)
    assert (clinic.store.appointments[appointment.id].slot, clinic.topics, clinic.inconsistencies()) == (
        (TEN, COLLEAGUE),
        ["rescheduled"],
        [],
    )


async def test_a_move_after_a_leave_has_cancelled_the_reservation_is_refused_as_slot_taken(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    event = clinic.take_leave(appointment)
    with pytest.raises(Refusal, match="The clinic cancelled this appointment meanwhile") as refusal:
        await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=ELEVEN)
    assert (refusal.value.code, clinic.calendar.reservations) == ("slot_taken", {})
    await clinic.leaves.follow_leave(event)
    assert (clinic.store.appointments[appointment.id].status, clinic.topics, clinic.inconsistencies()) == (S.CANCELLED, ["cancelled"], [])


async def test_a_pending_booking_whose_reservation_a_leave_cancelled_is_refused(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(S.PENDING))
    clinic.calendar.decide(appointment.id, request_of(appointment))
    event = clinic.take_leave(appointment)
    with pytest.raises(Refusal, match="The clinic cancelled"):
        await clinic.booking.book(a_booking_request(), ANNA, appointment.id)
    await clinic.leaves.follow_leave(event)
    assert (clinic.store.appointments[appointment.id].status, clinic.topics, clinic.inconsistencies()) == (S.REFUSED, [], [])


async def test_after_a_refusal_later_requests_have_a_higher_revision_than_the_leave(clinic: FakeClinic) -> None:
    for cancels in (True, False):
        clinic = FakeClinic()
        appointment = clinic.add(an_appointment())
        event = clinic.take_leave(appointment, "moved", revision=5)
        with pytest.raises(Refusal, match="The clinic moved"):
            await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=ELEVEN)
        if cancels:
            await clinic.actions.cancel(clinic.context(ANNA, appointment), None)
        else:
            await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=ELEVEN)
        assert clinic.inconsistencies() == []
        await clinic.leaves.follow_leave(event)
        assert (clinic.topics, clinic.inconsistencies()) == (["cancelled" if cancels else "rescheduled"], [])


async def test_cancelling_before_the_event_arrives_releases_the_moved_reservation(clinic: FakeClinic) -> None:
    for move_refused_before in (False, True):
        clinic = FakeClinic()
        appointment = clinic.add(an_appointment())
        event = clinic.take_leave(appointment, "moved")
        if move_refused_before:
            with pytest.raises(Refusal, match="The clinic moved"):
                await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=ELEVEN)
        await clinic.actions.cancel(clinic.context(ANNA, appointment), None)
        await clinic.leaves.follow_leave(event)
        assert (clinic.topics, clinic.inconsistencies()) == (["cancelled"], [])


@pytest.mark.parametrize("make_appointment", [lambda: an_appointment(S.PENDING), pending_with_any_doctor])
async def test_a_pending_booking_whose_reservation_a_leave_moved_is_refused_and_its_reservation_released(
    make_appointment: Callable[[], Appointment],
) -> None:
    clinic = FakeClinic()
    appointment = clinic.add(make_appointment())
    reservation = clinic.calendar.decide(appointment.id, request_of(appointment))
    outcome = a_leave_outcome(appointment, "moved", previous_doctor_id=reservation.doctor_id, revision=2)
    clinic.calendar.take_leave(outcome)
    await clinic.restart()
    saved = clinic.store.appointments[appointment.id]
    assert (saved.status, saved.doctor, [entry.action for entry in saved.history]) == (S.REFUSED, appointment.doctor, ["refused"])
    await clinic.leaves.follow_leave(a_leave(outcome))
    assert (clinic.store.appointments[appointment.id].history, clinic.topics, clinic.inconsistencies()) == (saved.history, [], [])


async def test_a_refused_booking_answers_at_once_and_its_release_waits_for_the_calendar(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(S.PENDING))
    replaced = clinic.calendar.decide(appointment.id, request_of(appointment)).model_copy(update={"starts_at": TEN, "revision": 2})
    refused = await clinic.store.save(after_reply(appointment, replaced))
    clinic.calendar.failure = Unavailable()
    with pytest.raises(Refusal, match="The clinic moved"):
        await clinic.booking.book(a_booking_request(), ANNA, appointment.id)
    assert clinic.store.appointments[appointment.id] == refused
    await clinic.restart()
    assert clinic.inconsistencies() == []


async def test_a_restore_after_a_leave_is_refused_and_the_reservation_released(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    clinic.calendar.failure = Unavailable()
    await clinic.actions.cancel(clinic.context(ANNA, appointment), None)
    clinic.calendar.failure = None
    event = clinic.take_leave(appointment, "moved")
    with pytest.raises(Refusal, match="The clinic moved"):
        await clinic.actions.restore(clinic.context(DESK, appointment))
    assert (clinic.store.appointments[appointment.id].status, clinic.inconsistencies()) == (S.CANCELLED, [])
    await clinic.leaves.follow_leave(event)
    assert (clinic.topics, clinic.inconsistencies()) == (["cancelled"], [])


async def test_a_reservation_that_a_leave_moved_is_not_reclaimed(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    pending = await clinic.store.save(appointment.with_reclaim(a_change()))
    event = clinic.take_leave(appointment, "moved")
    completed = await clinic.synchronizer.complete_pending(pending)
    assert (completed.slot, completed.sync.stored_refusal, completed.sync.intent, completed.version, clinic.topics) == (
        appointment.slot,
        None,
        None,
        appointment.version,
        [],
    )
    await clinic.leaves.follow_leave(event)
    assert (clinic.store.appointments[appointment.id].slot, clinic.inconsistencies()) == ((TEN, COLLEAGUE), [])


async def test_a_late_answer_to_a_completed_booking_takes_nothing_away(clinic: FakeClinic) -> None:
    """The booking was completed by another and moved by its patient before the first answer came."""
    pending = clinic.add(an_appointment(S.PENDING, patient=replace(an_appointment().patient, id=STRANGER)))
    booked = await clinic.synchronizer.complete_pending(pending)
    moved = await clinic.actions.reschedule(clinic.context(DESK, booked), starts_at=TEN)
    assert await clinic.synchronizer.complete_pending(pending) == moved
    assert clinic.inconsistencies() == []
