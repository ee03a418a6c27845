"""After a doctor's leave, appointments follow their reservations in the calendar once, with one event each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Actor
from shared.contracts.refusals import NotFound, Unavailable
from tests.unit.appointment.builders import (
    ANNA,
    COLLEAGUE,
    DESK,
    DOCTOR,
    DR_WEISS,
    HALF,
    NINE,
    STRANGER,
    TEN,
    a_change,
    a_doctor,
    a_doctor_snapshot,
    a_leave,
    a_leave_outcome,
    an_appointment,
    with_sync,
)
from tests.unit.appointment.fakes import FakeClinic, ProcessStopped

S = AppointmentStatus
ELEVEN = TEN + timedelta(hours=1)
ENDED = (S.CANCELLED, S.DECLINED, S.EXPIRED, S.REFUSED)
BEGUN = (S.CHECKED_IN, S.IN_PROGRESS, S.COMPLETED, S.MISSED)


@pytest.fixture
def clinic() -> FakeClinic:
    return FakeClinic()


@pytest.mark.parametrize("status", [S.BOOKED, S.REQUESTED])
async def test_an_appointment_whose_reservation_a_leave_cancelled_is_cancelled_once_despite_the_cut_off(
    clinic: FakeClinic, status: AppointmentStatus
) -> None:
    appointment = clinic.add(an_appointment(status, service={"cancel_cutoff_minutes": 60 * 24 * 30}))
    event = clinic.take_leave(appointment)
    for _ in range(2):
        await clinic.leaves.follow_leave(event)
    saved = clinic.store.appointments[appointment.id]
    assert (saved.status, saved.cancel_reason, saved.version) == (S.CANCELLED, "The doctor is away.", appointment.version + 1)
    assert (clinic.topics, clinic.store.events[0].actor, clinic.inconsistencies()) == (["cancelled"], Actor.from_caller(DR_WEISS), [])
    assert [(entry.action, entry.actor, entry.note) for entry in saved.history] == [
        ("cancelled", Actor.from_caller(DR_WEISS), "The doctor is away.")
    ]


@pytest.mark.parametrize("status", [S.BOOKED, S.REQUESTED])
async def test_an_appointment_whose_reservation_a_leave_moved_is_moved_once_despite_the_cut_off(
    clinic: FakeClinic, status: AppointmentStatus
) -> None:
    appointment = clinic.add(an_appointment(status, service={"reschedule_cutoff_minutes": 60 * 24 * 30}))
    clinic.doctors[COLLEAGUE] = a_doctor(id=COLLEAGUE, full_name="Bo Grau")
    leave = clinic.take_leave(appointment, "moved")
    for _ in range(2):
        await clinic.leaves.follow_leave(leave)
    saved, (event,) = clinic.store.appointments[appointment.id], clinic.store.events
    assert (saved.status, saved.slot, saved.ends_at, saved.sync.revision) == (status, (TEN, COLLEAGUE), TEN + HALF, 2)
    assert saved.doctor == a_doctor_snapshot(id=COLLEAGUE, full_name="Bo Grau")
    assert (event.topic, event.previous_starts_at, event.previous_doctor_id) == (
        "appointment.rescheduled.v1",
        NINE,
        DOCTOR,
    )
    assert (event.starts_at, event.doctor_id, event.sequence, event.version, event.actor) == (
        TEN,
        COLLEAGUE,
        1,
        3,
        Actor.from_caller(DR_WEISS),
    )
    assert [(entry.action, entry.actor) for entry in saved.history] == [("rescheduled", Actor.from_caller(DR_WEISS))]
    assert clinic.inconsistencies() == []


async def test_a_move_to_the_same_doctor_does_not_call_doctor_service(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    outcome = a_leave_outcome(appointment, "moved", doctor_id=DOCTOR)
    clinic.calendar.take_leave(outcome)
    clinic.doctor_service_down = True
    await clinic.leaves.follow_leave(a_leave(outcome))
    assert (clinic.store.appointments[appointment.id].slot, clinic.inconsistencies()) == ((TEN, DOCTOR), [])


@pytest.mark.parametrize("action", ["cancelled", "moved"])
@pytest.mark.parametrize("status", BEGUN)
async def test_a_begun_appointment_stays_and_reserves_its_time_again(clinic: FakeClinic, action: str, status: AppointmentStatus) -> None:
    appointment = clinic.add(an_appointment(status))
    event = clinic.take_leave(appointment, action)
    assert clinic.inconsistencies()
    for _ in range(2):
        await clinic.leaves.follow_leave(event)
    saved = clinic.store.appointments[appointment.id]
    assert (saved.status, saved.slot, saved.version, clinic.topics, clinic.inconsistencies()) == (
        status,
        appointment.slot,
        appointment.version,
        [],
        [],
    )
    assert clinic.calendar.requests[-1].begun


async def test_events_of_leaves_in_any_order_lead_to_the_state_of_the_calendar() -> None:
    for order in (lambda events: events, reversed):
        clinic = FakeClinic()
        appointment = clinic.add(an_appointment())
        first = clinic.take_leave(appointment, "moved")
        second = clinic.take_leave(with_sync(appointment, revision=2), "cancelled", previous_doctor_id=COLLEAGUE, previous_starts_at=TEN)
        for event in [*order([first, second]), first]:
            await clinic.leaves.follow_leave(event)
        assert (clinic.store.appointments[appointment.id].status, clinic.topics, clinic.inconsistencies()) == (
            S.CANCELLED,
            ["cancelled"],
            [],
        )


async def test_an_appointment_that_leaves_moved_away_and_back_can_be_cancelled_and_moved(clinic: FakeClinic) -> None:
    for change in (partial(clinic.actions.cancel, reason=None), partial(clinic.actions.reschedule, starts_at=ELEVEN, doctor_id=None)):
        appointment = clinic.add(an_appointment())
        away = clinic.take_leave(appointment, "moved")
        back = clinic.take_leave(with_sync(appointment, revision=2), "moved", starts_at=NINE, ends_at=NINE + HALF, doctor_id=DOCTOR)
        for event in (away, back):
            await clinic.leaves.follow_leave(event)
        assert (clinic.store.appointments[appointment.id].version, clinic.store.appointments[appointment.id].history) == (
            appointment.version,
            (),
        )
        await change(clinic.context(ANNA, appointment))
        assert clinic.inconsistencies() == []


async def test_an_old_event_changes_nothing_after_the_patient_has_moved_the_appointment_away_and_back(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    old_event = a_leave(a_leave_outcome(appointment, "cancelled"))
    for start in (ELEVEN, NINE):
        await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=start)
        await clinic.leaves.follow_leave(old_event)
    assert (clinic.store.appointments[appointment.id].status, clinic.topics, clinic.inconsistencies()) == (
        S.BOOKED,
        ["rescheduled"] * 2,
        [],
    )


@pytest.mark.parametrize("action", ["cancelled", "moved"])
@pytest.mark.parametrize("change", [{"starts_at": ELEVEN}, {"doctor": a_doctor_snapshot(id=COLLEAGUE)}])
async def test_an_appointment_that_was_moved_after_the_leave_stays_where_it_is(
    clinic: FakeClinic, action: str, change: dict[str, object]
) -> None:
    appointment = an_appointment()
    moved = clinic.add(with_sync(replace(appointment, **change), revision=3))  # type: ignore[arg-type]
    await clinic.leaves.follow_leave(a_leave(a_leave_outcome(appointment, action)))
    assert (clinic.store.appointments[appointment.id], clinic.topics) == (moved, [])


@pytest.mark.parametrize("status", ENDED)
async def test_the_moved_reservation_of_an_ended_appointment_is_released(clinic: FakeClinic, status: AppointmentStatus) -> None:
    appointment = an_appointment(status)
    clinic.reserve_for(clinic.add(appointment))
    event = clinic.take_leave(appointment, "moved")
    for _ in range(2):
        await clinic.leaves.follow_leave(event)
    saved = clinic.store.appointments[appointment.id]
    assert (saved.status, saved.version, saved.history, clinic.topics, clinic.inconsistencies()) == (
        status,
        appointment.version,
        (),
        [],
        [],
    )


@pytest.mark.parametrize("status", ENDED)
async def test_a_leave_does_not_change_an_ended_appointment(clinic: FakeClinic, status: AppointmentStatus) -> None:
    appointment = clinic.add(an_appointment(status))
    await clinic.leaves.follow_leave(a_leave(a_leave_outcome(appointment)))
    assert (clinic.store.appointments[appointment.id], clinic.topics) == (appointment, [])


async def test_while_the_calendar_does_not_answer_the_event_is_delivered_again(clinic: FakeClinic) -> None:
    appointment = an_appointment(S.CANCELLED)
    clinic.reserve_for(clinic.add(appointment))
    event = clinic.take_leave(appointment, "moved")
    clinic.calendar.failure = Unavailable()
    with pytest.raises(Unavailable):
        await clinic.leaves.follow_leave(event)
    clinic.calendar.failure = None
    await clinic.leaves.follow_leave(event)
    assert clinic.inconsistencies() == []


async def test_an_appointment_that_a_leave_cancelled_can_be_restored_and_stays_booked(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    event = clinic.take_leave(appointment)
    await clinic.leaves.follow_leave(event)
    restored = await clinic.actions.restore(clinic.context(DESK, appointment))
    await clinic.leaves.follow_leave(event)
    assert (clinic.store.appointments[appointment.id], restored.status, clinic.inconsistencies()) == (restored, S.BOOKED, [])


async def test_an_appointment_that_a_leave_moved_can_be_moved_again_and_stays_there(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    event = clinic.take_leave(appointment, "moved")
    await clinic.leaves.follow_leave(event)
    moved = await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=ELEVEN)
    await clinic.leaves.follow_leave(event)
    assert (moved.slot, clinic.store.appointments[appointment.id], clinic.inconsistencies()) == ((ELEVEN, COLLEAGUE), moved, [])


async def test_a_pending_move_is_completed_before_the_leave_is_followed(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    event = clinic.take_leave(appointment, "moved")
    await clinic.store.save(appointment.reschedule(a_change(), starts_at=ELEVEN))
    await clinic.leaves.follow_leave(event)
    assert (clinic.store.appointments[appointment.id].slot, clinic.topics, clinic.inconsistencies()) == (
        (TEN, COLLEAGUE),
        ["rescheduled"],
        [],
    )


async def test_an_appointment_that_cannot_be_synchronised_does_not_hold_up_the_others(clinic: FakeClinic) -> None:
    first, second = clinic.add(an_appointment()), clinic.add(an_appointment(starts_at=ELEVEN))
    outcomes = a_leave_outcome(first, "moved"), a_leave_outcome(second, "cancelled")
    clinic.calendar.take_leave(*outcomes)
    clinic.doctor_service_down = True
    with pytest.raises(Unavailable):
        await clinic.leaves.follow_leave(event := a_leave(*outcomes))
    assert clinic.topics == ["cancelled"]
    clinic.doctor_service_down = False
    await clinic.leaves.follow_leave(event)
    assert (clinic.topics, clinic.inconsistencies()) == (["cancelled", "rescheduled"], [])


@pytest.mark.parametrize("doctor_service", ["down", "unknown doctor"])
async def test_without_the_new_doctors_details_nothing_is_saved_and_the_event_is_delivered_again(
    clinic: FakeClinic, doctor_service: str
) -> None:
    appointment = clinic.add(an_appointment())
    event = clinic.take_leave(appointment, "moved")
    clinic.doctor_service_down, colleague = doctor_service == "down", clinic.doctors.pop(COLLEAGUE)
    with pytest.raises((Unavailable, NotFound)):
        await clinic.leaves.follow_leave(event)
    assert clinic.store.appointments[appointment.id] == appointment
    clinic.doctor_service_down, clinic.doctors[COLLEAGUE] = False, colleague
    await clinic.leaves.follow_leave(event)
    assert (clinic.topics, clinic.inconsistencies()) == (["rescheduled"], [])


async def test_an_appointment_that_changes_meanwhile_is_compared_again(clinic: FakeClinic) -> None:
    amended, cancelled, moved = (clinic.add(an_appointment(starts_at=start)) for start in (NINE, TEN, ELEVEN))
    for appointment, action, meanwhile, after in (
        (amended, "moved", replace(amended, reason="knee"), S.BOOKED),
        (cancelled, "cancelled", cancelled.cancel(a_change(note="ill")), S.CANCELLED),
        (moved, "cancelled", moved.check_in(a_change(at=NINE)), S.CHECKED_IN),
    ):
        clinic.store.saved_meanwhile = [meanwhile]
        await clinic.leaves.follow_leave(clinic.take_leave(appointment, action))
        saved = clinic.store.appointments[appointment.id]
        assert (saved.status, saved.reason, saved.cancel_reason) == (after, meanwhile.reason, meanwhile.cancel_reason)
    assert clinic.topics == ["rescheduled"]


async def test_the_event_is_delivered_again_when_an_appointment_changes_too_often(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())

    class AlwaysChanging(list[Appointment]):
        def __bool__(self) -> bool:
            clinic.store.appointments[appointment.id] = replace(
                appointment, row_version=clinic.store.appointments[appointment.id].row_version + 1
            )
            return False

    clinic.store.saved_meanwhile, event = AlwaysChanging(), clinic.take_leave(appointment)
    with pytest.raises(Unavailable):
        await clinic.leaves.follow_leave(event)
    clinic.store.saved_meanwhile = []
    await clinic.leaves.follow_leave(event)
    assert clinic.topics == ["cancelled"]


async def test_an_unknown_appointment_in_a_leave_is_ignored(clinic: FakeClinic) -> None:
    await clinic.leaves.follow_leave(a_leave(a_leave_outcome(an_appointment()), a_leave_outcome(an_appointment(), "moved")))
    assert (clinic.store.appointments, clinic.topics) == ({}, [])


CASES: dict[str, tuple[str, Callable[[], Appointment], list[str]]] = {
    "cancelled": ("cancelled", an_appointment, ["cancelled"]),
    "moved": ("moved", an_appointment, ["rescheduled"]),
    "ended": ("moved", lambda: an_appointment(S.CANCELLED), []),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_process_that_stops_at_any_point_follows_the_leave_when_the_event_is_delivered_again(name: str) -> None:
    action, make_appointment, topics = CASES[name]

    def clinic_with_leave() -> tuple[FakeClinic, LeaveTaken]:
        clinic = FakeClinic()
        appointment = clinic.add(make_appointment())
        clinic.reserve_for(appointment)
        return clinic, clinic.take_leave(appointment, action)

    clinic, event = clinic_with_leave()
    await clinic.leaves.follow_leave(event)
    points = clinic.stop_points.count
    assert points >= 4
    for point in range(points):
        clinic, event = clinic_with_leave()
        clinic.stop_points.stop_at = point
        with pytest.raises(ProcessStopped):
            await clinic.leaves.follow_leave(event)
        clinic.stop_points.stop_at = None
        await clinic.leaves.follow_leave(event)
        await clinic.restart()
        assert (clinic.topics, clinic.inconsistencies()) == (topics, []), point


async def test_an_unexpected_failure_of_one_appointment_does_not_stop_the_others_of_a_leave() -> None:
    clinic = FakeClinic()
    first, second = (
        clinic.add(an_appointment()),
        clinic.add(an_appointment(starts_at=TEN, patient=replace(an_appointment().patient, id=STRANGER))),
    )
    outcomes = [a_leave_outcome(appointment) for appointment in (first, second)]
    clinic.calendar.take_leave(*outcomes)
    find = clinic.store.find

    async def find_others(appointment_id: UUID) -> Appointment | None:
        if appointment_id == first.id:
            raise ZeroDivisionError
        return await find(appointment_id)

    clinic.store.find = find_others  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await clinic.leaves.follow_leave(a_leave(*outcomes))
    assert clinic.store.appointments[second.id].status is AppointmentStatus.CANCELLED
    clinic.store.find = find  # type: ignore[method-assign]
    await clinic.leaves.follow_leave(a_leave(*outcomes))
    assert clinic.store.appointments[first.id].status is AppointmentStatus.CANCELLED
