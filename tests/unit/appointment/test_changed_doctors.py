"""A doctor's new name or place reaches every upcoming appointment once, as a change of the appointment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.events import DoctorChanged
from shared.contracts.refusals import Unavailable
from shared.kit.ids import new_id
from tests.unit.appointment.builders import (
    ANNA,
    COLLEAGUE,
    DESK,
    DOCTOR,
    NINE,
    NOON,
    STRANGER,
    TEN,
    a_booking_request,
    a_change,
    a_doctor,
    a_doctor_snapshot,
    an_appointment,
)
from tests.unit.appointment.fakes import FakeClinic, ProcessStopped

S = AppointmentStatus
MINUTE = timedelta(minutes=1)
MOVED_OUT: dict[str, Any] = {"location": "New Street 1", "version": 2}


def doctor_changed(**changes: Any) -> DoctorChanged:
    rules = a_doctor(**changes)
    return DoctorChanged(id=new_id(), occurred_at=NOON, doctor_id=rules.id, version=rules.version, rules=rules)


async def change_doctor(clinic: FakeClinic, **changes: Any) -> int:
    """Deliver the event of a change and run the job until nothing is left; return how many appointments changed."""
    await clinic.doctor_follower.note_doctor(doctor_changed(**changes))
    count = 0
    while followed := await clinic.doctor_follower.follow_doctors():
        count += followed
    return count


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"location": "New Street 1"}, ["place"]),
        ({"time_zone": "Europe/Lisbon"}, ["place"]),
        ({"full_name": "Ada Schwarz"}, ["doctor_name"]),
        ({"title": "Prof."}, ["doctor_name"]),
        ({"location": None, "full_name": "Ada Schwarz"}, ["place", "doctor_name"]),
        ({"weekly": [], "specialties": ["Cardiology"]}, None),
    ],
)
async def test_a_new_place_or_name_is_one_change_of_the_appointment(changes: dict[str, Any], changed: list[str] | None) -> None:
    clinic = FakeClinic()
    before = clinic.add(an_appointment())
    count = await change_doctor(clinic, version=2, **changes)
    after = clinic.store.appointments[before.id]
    if changed is None:
        assert (count, after, clinic.topics) == (0, before, [])
        return
    assert (count, after.version, after.sequence, after.doctor) == (1, before.version + 1, 1, a_doctor_snapshot(version=2, **changes))
    assert [(event.topic, event.changed, event.sequence, event.version) for event in clinic.store.events] == [
        ("appointment.amended.v1", changed, 1, after.version)
    ]
    assert (after.history[-1].action, after.history[-1].actor.role) == ("amended", "system")


@pytest.mark.parametrize("status", list(S))
async def test_only_what_is_ahead_follows(status: AppointmentStatus) -> None:
    clinic = FakeClinic()
    appointment, other = (
        clinic.add(an_appointment(status)),
        clinic.add(an_appointment(doctor=a_doctor_snapshot(id=COLLEAGUE), starts_at=TEN)),
    )
    if status is not S.PENDING:
        clinic.add(an_appointment(status, starts_at=NOON - MINUTE))
    expected = 1 if status in (S.BOOKED, S.REQUESTED, S.PENDING, S.CHECKED_IN) else 0
    assert await change_doctor(clinic, **MOVED_OUT) == (0 if status is S.PENDING else expected)
    saved = clinic.store.appointments[appointment.id]
    assert (saved.doctor is not None and saved.doctor.location == "New Street 1") == bool(expected)
    assert clinic.store.appointments[other.id] == other


async def test_events_that_come_twice_late_or_to_several_instances_change_each_appointment_once() -> None:
    clinic = FakeClinic()
    appointments = [clinic.add(an_appointment(starts_at=NINE + number * timedelta(hours=1))) for number in range(5)]
    event, later = doctor_changed(**MOVED_OUT), doctor_changed(location="Third Street 3", version=3)
    for delivered in (event, later, event):
        await clinic.doctor_follower.note_doctor(delivered)
    for _ in range(3):
        await clinic.doctor_follower.follow_doctors()
    assert clinic.topics == ["amended"] * len(appointments)
    assert {saved.doctor.location for saved in clinic.store.appointments.values() if saved.doctor} == {"Third Street 3"}


async def test_a_process_that_stops_while_following_is_finished_by_the_next_run() -> None:
    def prepared(stop_at: int | None) -> FakeClinic:
        clinic = FakeClinic()
        for number in range(2):
            clinic.add(an_appointment(starts_at=NINE + number * timedelta(hours=1)))
        clinic.stop_points.stop_at = stop_at
        return clinic

    clinic = prepared(None)
    await change_doctor(clinic, **MOVED_OUT)
    for point in range(clinic.stop_points.count):
        clinic = prepared(point)
        with pytest.raises(ProcessStopped):
            await change_doctor(clinic, **MOVED_OUT)
        await clinic.restart()
        await clinic.doctor_follower.follow_doctors()
        assert (clinic.topics, clinic.inconsistencies()) == (["amended"] * 2, []), point


async def test_an_appointment_that_changes_meanwhile_follows_all_the_same() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.store.saved_meanwhile = [appointment.amend({"reason": "knee"}, a_change())]
    assert await change_doctor(clinic, **MOVED_OUT) == 1
    saved = clinic.store.appointments[appointment.id]
    assert (saved.reason, saved.doctor) == ("knee", a_doctor_snapshot(**MOVED_OUT))


async def test_a_failure_of_one_appointment_stops_neither_the_others_nor_its_own_next_try() -> None:
    clinic = FakeClinic()
    stuck = clinic.add(an_appointment(S.PENDING))
    other = clinic.add(an_appointment(starts_at=TEN, patient=replace(stuck.patient, id=STRANGER)))
    clinic.calendar.failure = Unavailable()
    assert await change_doctor(clinic, **MOVED_OUT) == 1
    clinic.clock.advance(2 * MINUTE)
    await clinic.doctor_follower.follow_doctors()
    assert clinic.store.appointments[stuck.id].status is S.PENDING
    clinic.calendar.failure = None
    await clinic.doctor_follower.follow_doctors()
    shown: list[Appointment] = [clinic.store.appointments[appointment.id] for appointment in (stuck, other)]
    assert [(saved.status, saved.doctor) for saved in shown] == [(S.BOOKED, a_doctor_snapshot(**MOVED_OUT))] * 2
    assert await clinic.store.list_changed_doctors(10, None) == []


async def test_a_booking_that_read_the_doctor_before_the_change_follows_within_a_minute() -> None:
    clinic = FakeClinic()
    await change_doctor(clinic, **MOVED_OUT)
    late = clinic.add(an_appointment())
    clinic.clock.advance(MINUTE)
    assert await clinic.doctor_follower.follow_doctors() == 1
    assert (await clinic.store.list_changed_doctors(10, None), clinic.store.appointments[late.id].sequence) == ([], 1)


async def test_what_the_calendar_grants_after_the_change_shows_it_from_the_start() -> None:
    clinic = FakeClinic()
    await change_doctor(clinic, **MOVED_OUT)
    clinic.clock.advance(MINUTE)
    await clinic.doctor_follower.follow_doctors()
    booked = await clinic.booking.book(a_booking_request(), ANNA, new_id())
    moved = await clinic.actions.reschedule(
        clinic.context(DESK, clinic.add(an_appointment(starts_at=TEN))), starts_at=TEN + timedelta(hours=1)
    )
    assert [saved.doctor and saved.doctor.location for saved in (booked, moved)] == ["New Street 1"] * 2
    assert (clinic.topics, DOCTOR) == (["booked", "rescheduled"], booked.doctor_id)


async def test_another_reason_or_intake_is_named_and_leaves_the_calendar_sequence() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(reason="knee"))
    await clinic.actions.amend(clinic.context(ANNA, appointment), {"reason": "hip", "intake": {"pain": "yes"}})
    await clinic.actions.amend(clinic.context(ANNA, appointment), {"reason": "back", "intake": {"pain": "yes"}})
    assert [(event.changed, event.sequence) for event in clinic.store.events] == [(["reason", "intake"], 0), (["reason"], 0)]


async def test_an_undone_check_in_is_named_in_its_event() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(S.CHECKED_IN))
    await clinic.actions.restore(clinic.context(DESK, appointment))
    assert [(event.topic, event.changed) for event in clinic.store.events] == [("appointment.booked.v1", ["check_in"])]


@pytest.mark.parametrize("status", [S.CANCELLED, S.DECLINED, S.MISSED, S.CHECKED_IN])
@pytest.mark.parametrize("restored_first", [True, False])
async def test_a_restore_names_what_the_doctor_has_changed_and_no_second_change_does(status: S, restored_first: bool) -> None:
    clinic = FakeClinic()
    clinic.doctors[DOCTOR] = a_doctor(**MOVED_OUT)
    appointment = clinic.add(an_appointment(status))
    if not restored_first:
        await change_doctor(clinic, **MOVED_OUT)
    restored = await clinic.actions.restore(clinic.context(DESK, appointment))
    assert await change_doctor(clinic, **MOVED_OUT) == 0
    assert (restored.doctor, clinic.store.appointments[appointment.id]) == (a_doctor_snapshot(**MOVED_OUT), restored)
    changes = [event.changed for event in clinic.store.events]
    assert [name for changed in changes for name in changed if name != "check_in"] == ["place"]
    sequences = [event.sequence for event in clinic.store.events]
    assert sequences == list(range(appointment.sequence + 1, appointment.sequence + 1 + len(sequences)))


async def test_a_check_in_that_is_being_undone_while_the_doctor_changes_is_told_once() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(S.CHECKED_IN))
    clinic.calendar.failure = Unavailable()
    with pytest.raises(Unavailable):
        await clinic.actions.restore(clinic.context(DESK, appointment))
    clinic.calendar.failure = None
    await change_doctor(clinic, **MOVED_OUT)
    saved = clinic.store.appointments[appointment.id]
    assert (saved.status, saved.doctor) == (S.BOOKED, a_doctor_snapshot(**MOVED_OUT))
    assert [(event.topic, event.changed) for event in clinic.store.events] == [("appointment.booked.v1", ["check_in", "place"])]


@pytest.mark.parametrize(("doctor_id", "changed"), [(DOCTOR, ["place"]), (COLLEAGUE, [])])
async def test_a_move_names_what_the_same_doctor_has_changed(doctor_id: UUID, changed: list[str]) -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    await clinic.doctor_follower.note_doctor(doctor_changed(**MOVED_OUT))
    await clinic.actions.reschedule(clinic.context(DESK, appointment), starts_at=TEN, doctor_id=doctor_id)
    assert await clinic.doctor_follower.follow_doctors() == 0
    assert [(event.topic, event.changed) for event in clinic.store.events] == [("appointment.rescheduled.v1", changed)]


async def test_a_doctor_whose_appointments_cannot_be_read_does_not_stop_the_others() -> None:
    clinic = FakeClinic()
    first, second = (
        clinic.add(an_appointment(doctor=a_doctor_snapshot(id=doctor), starts_at=start))
        for doctor, start in ((DOCTOR, NINE), (COLLEAGUE, TEN))
    )
    list_ahead = clinic.store.list_ahead_with_doctor

    async def list_of_others(doctor_id: UUID, *arguments: Any) -> list[Appointment]:
        if doctor_id == DOCTOR:
            raise ZeroDivisionError
        return await list_ahead(doctor_id, *arguments)

    clinic.store.list_ahead_with_doctor = list_of_others  # type: ignore[method-assign, assignment]
    for doctor_id in (DOCTOR, COLLEAGUE):
        await clinic.doctor_follower.note_doctor(doctor_changed(id=doctor_id, **MOVED_OUT))
    assert await clinic.doctor_follower.follow_doctors() == 1
    assert [clinic.store.appointments[appointment.id].version for appointment in (first, second)] == [first.version, second.version + 1]
    clinic.store.list_ahead_with_doctor = list_ahead  # type: ignore[method-assign]
    assert await clinic.doctor_follower.follow_doctors() == 1, "tried again later"


async def test_the_appointments_of_a_changed_doctor_are_read_once_at_once_and_once_after_a_minute() -> None:
    clinic, reads = FakeClinic(), 0
    clinic.add(an_appointment())
    list_ahead = clinic.store.list_ahead_with_doctor

    async def count_reads(*arguments: Any) -> Any:
        nonlocal reads
        reads += arguments[-1] is None  # the first page
        return await list_ahead(*arguments)

    clinic.store.list_ahead_with_doctor = count_reads  # type: ignore[assignment]
    for version in (2, 3):
        await change_doctor(clinic, **(MOVED_OUT | {"version": version}))
        for seconds in (0, 30, 29, 1, 60):
            clinic.clock.advance(timedelta(seconds=seconds))
            await clinic.doctor_follower.follow_doctors()
        assert reads == 2 * (version - 1)
