"""Booking with whoever is free, or a time that one holds: the calendar says with whom, and a wish goes on as it was made."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointment_svc.domain.moves import Status
from appointment_svc.domain.refusals import NoSuchAppointment, PatientInactive, ServiceInactive, TooManyActive
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Conflict, NotFound, Refusal, Unavailable
from shared.kit.ids import new_id
from tests.unit.appointment.builders import (
    ANNA,
    COLLEAGUE,
    DESK,
    DOCTOR,
    PATIENT,
    STRANGER,
    TEN,
    a_doctor,
    a_patient,
    a_service,
    a_wish,
    an_appointment,
    with_anyone,
)
from tests.unit.appointment.fakes import Clinic

ANYONE = a_wish(doctor_id=None)
HOLD = new_id()


class HoldMismatch(Conflict):
    """This hold is not yours."""


async def test_the_calendar_finds_the_doctor_and_the_appointment_remembers_them() -> None:
    clinic = Clinic()
    one = await clinic.booking.book(ANYONE, ANNA, new_id())
    assert [wish.doctor_id for wish in clinic.calendar.asked] == [None]
    assert one.doctor is not None
    assert (one.status, one.doctor.id, one.doctor.full_name, one.time_zone) == (Status.BOOKED, DOCTOR, "Ada Weiss", "Europe/Berlin")
    assert clinic.faults() == []


async def test_it_is_told_as_a_booking_and_not_as_a_move() -> None:
    clinic = Clinic()
    one = await clinic.booking.book(ANYONE, ANNA, new_id())
    (told,) = clinic.store.events
    assert (told.topic, told.doctor_id, told.previous_doctor_id, told.previous_starts_at) == ("appointment.booked.v1", DOCTOR, None, None)
    assert (told.sequence, told.time_zone) == (0, "Europe/Berlin")
    assert ("doctor_id" in one.history[0].before, one.history[0].after["doctor_id"]) == (False, str(DOCTOR))


async def test_where_one_doctor_is_busy_another_is_found_and_where_all_are_it_is_refused() -> None:
    clinic = Clinic()
    first = await clinic.booking.book(ANYONE, ANNA, new_id())
    third = new_id()
    clinic.people[third] = a_patient(id=third)
    second = await clinic.booking.book(a_wish(doctor_id=None, patient_id=STRANGER), DESK, new_id())
    assert (first.doctor_id, second.doctor_id, clinic.faults()) == (DOCTOR, COLLEAGUE, [])
    wish, key = a_wish(doctor_id=None, patient_id=third), new_id()
    for _ in range(2):
        with pytest.raises(Refusal) as refusal:
            await clinic.booking.book(wish, DESK, key)
        assert refusal.value.code == "slot_taken"
    refused = clinic.store.kept[key]
    assert (refused.status, refused.doctor, refused.time_zone, refused.local_start) == (Status.REFUSED, None, "UTC", "2026-03-09T08:00")
    assert clinic.topics == ["booked", "booked"]


async def test_what_is_changed_of_a_refused_one_without_a_doctor_is_noted_and_told_to_nobody() -> None:
    clinic = Clinic()
    one = clinic.has(with_anyone(status=Status.REFUSED, intent=None))
    amended = await clinic.changes.amend(clinic.act(ANNA, one), {"reason": "knee"})
    assert (amended.reason, [line.action for line in amended.history], clinic.topics) == ("knee", ["amended"], [])


@pytest.mark.parametrize("doctor", [a_doctor(accepting_patients=False), a_doctor(active=False)])
async def test_whom_the_calendar_finds_it_has_judged(doctor: object) -> None:
    clinic = Clinic(staff={DOCTOR: doctor})  # type: ignore[dict-item]
    assert (await clinic.booking.book(ANYONE, ANNA, new_id())).status is Status.BOOKED


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"rules": a_service(active=False)}, ServiceInactive),
        ({"people": {PATIENT: a_patient(active=False)}}, PatientInactive),
        ({"most_active": 0}, TooManyActive),
        ({"rules": a_service(id=new_id())}, NotFound),
    ],
)
async def test_all_other_rules_are_as_ever(change: dict[str, object], refusal: type[Refusal]) -> None:
    clinic = Clinic(**change)  # type: ignore[arg-type]
    with pytest.raises(refusal):
        await clinic.booking.book(ANYONE, ANNA, new_id())
    assert (clinic.store.kept, clinic.calendar.asked) == ({}, [])


@pytest.mark.parametrize("why", ["silent", "unknown"])
async def test_without_the_card_of_whom_the_calendar_found_it_stays_pending_until_the_job_has_it(why: str) -> None:
    clinic = Clinic(silent=why == "silent", staff={} if why == "unknown" else {DOCTOR: a_doctor()})
    one = await clinic.booking.book(ANYONE, ANNA, new_id())
    assert (one.status, one.doctor, one.time_zone, one.local_start) == (Status.PENDING, None, "UTC", "2026-03-09T08:00")
    clinic.clock.advance(timedelta(minutes=1))
    assert await clinic.keeping.settle_stragglers() == 0
    clinic.staff = {DOCTOR: a_doctor()}
    clinic.calendar.doctors = (COLLEAGUE, DOCTOR)
    await clinic.restarted()
    settled = clinic.store.kept[one.id]
    assert (settled.status, settled.doctor_id, clinic.topics, clinic.faults()) == (Status.BOOKED, DOCTOR, ["booked"], [])


async def test_a_named_doctor_s_card_is_not_asked_for_twice() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment(Status.PENDING))
    clinic.silent = True
    assert (await clinic.settling.settled(one)).status is Status.BOOKED


async def test_one_that_waits_for_whoever_is_free_is_moved_when_it_is_settled() -> None:
    for doctor_id, expected in ((None, DOCTOR), (DOCTOR, DOCTOR), (COLLEAGUE, COLLEAGUE)):
        clinic = Clinic()
        one = clinic.has(with_anyone())
        moved = await clinic.changes.reschedule(clinic.act(ANNA, one), TEN, doctor_id)
        assert (moved.place, clinic.topics, clinic.faults()) == ((TEN, expected), ["booked", "rescheduled"], [])


async def test_no_doctor_sees_one_that_waits_for_whoever_is_free() -> None:
    clinic = Clinic()
    one = clinic.has(with_anyone())
    with pytest.raises(NoSuchAppointment):
        await clinic.records.one(Caller(DOCTOR, Role.DOCTOR), one.id)
    assert await clinic.records.one(ANNA, one.id) == one


async def test_a_hold_goes_with_the_booking_also_when_the_job_repeats_it() -> None:
    clinic = Clinic()
    clinic.calendar.down = Unavailable()
    one = await clinic.booking.book(a_wish(hold_id=HOLD), ANNA, new_id())
    assert one.status is Status.PENDING
    await clinic.restarted()
    assert [wish.hold_id for wish in clinic.calendar.asked] == [HOLD]
    await clinic.changes.reschedule(clinic.act(ANNA, one), TEN, None)
    assert [wish.hold_id for wish in clinic.calendar.asked] == [HOLD, None]


async def test_a_hold_that_is_refused_is_refused_again() -> None:
    clinic = Clinic()
    clinic.calendar.down = HoldMismatch()
    key = new_id()
    for _ in range(2):
        with pytest.raises(Refusal) as refusal:
            await clinic.booking.book(a_wish(hold_id=HOLD), ANNA, key)
        assert refusal.value.code == "hold_mismatch"
    assert clinic.store.kept[key].status is Status.REFUSED
