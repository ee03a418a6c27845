"""A process that stops before or after any call loses nothing: the jobs complete what was begun, and publish each event once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import PatientSnapshot
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.usecases.actions import ActionContext
from shared.contracts.identity import Caller
from shared.contracts.refusals import Refusal, Unavailable
from shared.contracts.relayed_refusals import ReservationReleased
from shared.kit.ids import new_id
from tests.unit.appointment.builders import ANNA, COLLEAGUE, DESK, NINE, STRANGER, TEN, a_booking_request, an_appointment
from tests.unit.appointment.fakes import FakeClinic, ProcessStopped

APPOINTMENT_ID, OPERATION_ID = new_id(), new_id()
Action = Callable[[FakeClinic], Awaitable[Appointment]]


async def book(clinic: FakeClinic) -> Appointment:
    return await clinic.booking.book(a_booking_request(), ANNA, APPOINTMENT_ID)


async def book_any_doctor(clinic: FakeClinic) -> Appointment:
    return await clinic.booking.book(a_booking_request(doctor_id="any"), ANNA, APPOINTMENT_ID)


def repeated_context(caller: Caller) -> ActionContext:
    """The same operation every time, as under one Idempotency-Key."""
    return ActionContext(caller, APPOINTMENT_ID, None, OPERATION_ID)


async def reschedule(clinic: FakeClinic) -> Appointment:
    return await clinic.actions.reschedule(repeated_context(ANNA), starts_at=TEN)


async def reassign(clinic: FakeClinic) -> Appointment:
    return await clinic.actions.reschedule(repeated_context(DESK), doctor_id=COLLEAGUE)


async def cancel(clinic: FakeClinic) -> Appointment:
    return await clinic.actions.cancel(repeated_context(ANNA), None)


async def restore(clinic: FakeClinic) -> Appointment:
    return await clinic.actions.restore(repeated_context(DESK))


CASES: dict[str, tuple[Action, AppointmentStatus | None, list[str]]] = {
    "book": (book, None, ["booked"]),
    "book with any doctor": (book_any_doctor, None, ["booked"]),
    "reschedule": (reschedule, AppointmentStatus.BOOKED, ["rescheduled"]),
    "reassign": (reassign, AppointmentStatus.BOOKED, ["rescheduled"]),
    "cancel": (cancel, AppointmentStatus.BOOKED, ["cancelled"]),
    "restore": (restore, AppointmentStatus.CANCELLED, ["booked"]),
}


def clinic_with(before: AppointmentStatus | None, *, rival: bool = False) -> FakeClinic:
    clinic = FakeClinic()
    if before is not None:
        clinic.add(an_appointment(before, id=APPOINTMENT_ID))
    if rival:
        taken = TEN if before is AppointmentStatus.BOOKED else NINE
        clinic.add(an_appointment(starts_at=taken, patient=PatientSnapshot(STRANGER, "Bo")))
    return clinic


async def count_stop_points(action: Action, before: AppointmentStatus | None, *, rival: bool = False) -> int:
    clinic = clinic_with(before, rival=rival)
    with suppress(Refusal):
        await action(clinic)
    return clinic.stop_points.count


@pytest.mark.parametrize("name", CASES)
async def test_a_process_that_stops_at_any_point_loses_nothing_and_repeats_nothing(name: str) -> None:
    action, before, topics = CASES[name]
    points = await count_stop_points(action, before)
    assert points >= 6
    for point in range(points):
        clinic = clinic_with(before)
        clinic.stop_points.stop_at = point
        with pytest.raises(ProcessStopped):
            await action(clinic)
        begun = bool(clinic.store.appointments) if before is None else clinic.store.appointments[APPOINTMENT_ID].row_version > 1
        await clinic.restart()
        assert (clinic.inconsistencies(), clinic.topics) == ([], topics if begun else []), point
        again = await action(clinic)
        assert (clinic.inconsistencies(), clinic.topics, again.id) == ([], topics, APPOINTMENT_ID), point
        assert again.status is (AppointmentStatus.CANCELLED if name == "cancel" else AppointmentStatus.BOOKED)


@pytest.mark.parametrize("name", ["book", "reschedule", "restore"])
async def test_a_refusal_survives_a_stopped_process_and_is_raised_again(name: str) -> None:
    action, before, _ = CASES[name]
    for point in range(await count_stop_points(action, before, rival=True)):
        clinic = clinic_with(before, rival=True)
        clinic.stop_points.stop_at = point
        with pytest.raises(ProcessStopped):
            await action(clinic)
        await clinic.restart()
        for _ in range(2):
            with pytest.raises(Refusal) as refusal:
                await action(clinic)
            assert refusal.value.code == "slot_taken"
        assert (clinic.inconsistencies(), clinic.topics) == ([], []), point


async def test_a_refused_booking_stays_refused_under_its_key_when_the_time_is_free_again() -> None:
    clinic = clinic_with(None, rival=True)
    with pytest.raises(Refusal):
        await book(clinic)
    clinic.calendar.reservations.clear()
    with pytest.raises(Refusal) as refusal:
        await book(clinic)
    assert (refusal.value.code, refusal.value.facts) == ("slot_taken", {"alternatives": []})
    assert (await clinic.booking.book(a_booking_request(), ANNA, new_id())).status is AppointmentStatus.BOOKED


async def test_without_an_answer_of_the_calendar_a_booking_stays_pending_and_the_job_completes_it() -> None:
    clinic = FakeClinic()
    clinic.calendar.failure = Unavailable()
    assert (await book(clinic)).status is AppointmentStatus.PENDING
    clinic.clock.advance(timedelta(seconds=46))
    assert await clinic.reconciliation.retry_pending() == 0
    await clinic.restart()
    assert (clinic.store.appointments[APPOINTMENT_ID].status, clinic.topics, clinic.inconsistencies()) == (
        AppointmentStatus.BOOKED,
        ["booked"],
        [],
    )


async def test_a_recent_intent_is_left_to_its_request() -> None:
    clinic = FakeClinic()
    clinic.add(an_appointment(AppointmentStatus.PENDING, id=APPOINTMENT_ID))
    clinic.clock.advance(timedelta(seconds=44))
    assert await clinic.reconciliation.retry_pending() == 0
    clinic.clock.advance(timedelta(seconds=1))
    assert await clinic.reconciliation.retry_pending() == 1


async def test_a_move_without_an_answer_raises_unavailable_and_is_completed_later() -> None:
    clinic = clinic_with(AppointmentStatus.BOOKED)
    clinic.calendar.failure = Unavailable()
    with pytest.raises(Unavailable):
        await reschedule(clinic)
    await clinic.restart()
    moved = await reschedule(clinic)
    assert (moved.starts_at, moved.version, clinic.topics, clinic.inconsistencies()) == (TEN, 3, ["rescheduled"], [])


async def test_a_cancellation_does_not_wait_for_the_calendar() -> None:
    clinic = clinic_with(AppointmentStatus.BOOKED)
    clinic.calendar.failure = Unavailable()
    assert (await cancel(clinic)).status is AppointmentStatus.CANCELLED
    assert (await cancel(clinic)).version == 3
    await clinic.restart()
    assert (clinic.topics, clinic.inconsistencies()) == (["cancelled"], [])


async def test_a_failed_release_is_retried_later_and_not_at_once() -> None:
    clinic = clinic_with(AppointmentStatus.BOOKED)
    clinic.calendar.failure = Unavailable()
    await cancel(clinic)
    clinic.clock.advance(timedelta(minutes=1))
    assert await clinic.reconciliation.retry_pending() == 0
    assert clinic.store.appointments[APPOINTMENT_ID].sync.intent is not None


@pytest.mark.parametrize("later_change", ["cancel", "reschedule"])
async def test_a_late_copy_of_a_refused_request_does_not_undo_later_changes(later_change: str) -> None:
    """The same PUT may be sent twice: one copy arrives after the other was refused and after more has changed."""
    clinic = clinic_with(AppointmentStatus.BOOKED, rival=True)
    with pytest.raises(Refusal):
        await reschedule(clinic)
    late_copy = clinic.calendar.requests[-1]
    rival = next(appointment for appointment in clinic.store.appointments.values() if appointment.id != APPOINTMENT_ID)
    await clinic.actions.cancel(clinic.context(DESK, rival), None)
    if later_change == "cancel":
        await clinic.actions.cancel(clinic.context(ANNA, clinic.store.appointments[APPOINTMENT_ID]), None)
    else:
        await clinic.actions.reschedule(clinic.context(ANNA, clinic.store.appointments[APPOINTMENT_ID]), starts_at=TEN + timedelta(hours=1))
    with suppress(ReservationReleased):
        clinic.calendar.decide(APPOINTMENT_ID, late_copy)
    assert clinic.inconsistencies() == []
