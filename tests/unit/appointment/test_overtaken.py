"""The calendar may answer with what stands instead of what was wished: then nothing was granted, and nothing is written as if it were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from shared.contracts.refusals import Refusal, Unavailable
from tests.unit.appointment.builders import (
    ANNA,
    BY,
    COLLEAGUE,
    DESK,
    NINE,
    NOON,
    STRANGER,
    TEN,
    a_displaced,
    a_leave,
    a_wish,
    an_appointment,
    with_anyone,
)
from tests.unit.appointment.fakes import Clinic

S = Status
ELEVEN = TEN + timedelta(hours=1)


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


@pytest.mark.parametrize(
    ("answer", "met", "by_anyone"),
    [
        ({}, True, True),
        ({"starts_at": NINE + timedelta(microseconds=5)}, True, True),
        ({"revision": 2}, False, False),
        ({"starts_at": TEN}, False, False),
        ({"doctor_id": COLLEAGUE}, False, True),
    ],
)
def test_a_wish_is_met_by_its_very_time_and_doctor_and_by_nothing_later(answer: dict[str, object], met: bool, by_anyone: bool) -> None:
    for one, expected in ((an_appointment(S.PENDING), met), (with_anyone(), by_anyone)):
        assert one.intent is not None
        granted = Clinic().calendar.decide(one.id, one.wish()).model_copy(update=answer)
        assert one.intent.is_met_by(granted) is expected


async def test_a_move_that_the_leave_overtook_is_refused_and_the_event_brings_it_to_its_claim(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    event = clinic.on_leave(one, "moved")
    act = clinic.act(ANNA, one)
    for _ in range(2):
        with pytest.raises(Refusal, match="The clinic moved this appointment meanwhile") as refusal:
            await clinic.changes.reschedule(act, ELEVEN, None)
        assert refusal.value.code == "slot_taken"
    assert (clinic.store.kept[one.id].place, clinic.topics, len(clinic.calendar.asked)) == (one.place, [], 1)
    await clinic.displacements.follow(event)
    assert (clinic.store.kept[one.id].place, clinic.topics, clinic.faults()) == ((TEN, COLLEAGUE), ["rescheduled"], [])


async def test_a_move_of_one_that_the_leave_called_off_is_refused_as_a_taken_time(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    event = clinic.on_leave(one)
    with pytest.raises(Refusal, match="The clinic called off this appointment meanwhile") as refusal:
        await clinic.changes.reschedule(clinic.act(ANNA, one), ELEVEN, None)
    assert (refusal.value.code, clinic.calendar.claims) == ("slot_taken", {})
    await clinic.displacements.follow(event)
    assert (clinic.store.kept[one.id].status, clinic.topics, clinic.faults()) == (S.CANCELLED, ["cancelled"], [])


async def test_a_pending_one_that_the_leave_called_off_is_refused(clinic: Clinic) -> None:
    one = clinic.has(an_appointment(S.PENDING))
    clinic.calendar.decide(one.id, one.wish())
    event = clinic.on_leave(one)
    with pytest.raises(Refusal, match="The clinic called off"):
        await clinic.booking.book(a_wish(), ANNA, one.id)
    await clinic.displacements.follow(event)
    assert (clinic.store.kept[one.id].status, clinic.topics, clinic.faults()) == (S.REFUSED, [], [])


async def test_after_a_refusal_everything_that_is_wished_is_later_than_the_leave(clinic: Clinic) -> None:
    for cancels in (True, False):
        clinic = Clinic()
        one = clinic.has(an_appointment())
        event = clinic.on_leave(one, "moved", revision=5)
        with pytest.raises(Refusal, match="The clinic moved"):
            await clinic.changes.reschedule(clinic.act(ANNA, one), ELEVEN, None)
        if cancels:
            await clinic.changes.cancel(clinic.act(ANNA, one), None)
        else:
            await clinic.changes.reschedule(clinic.act(ANNA, one), ELEVEN, None)
        assert clinic.faults() == []
        await clinic.displacements.follow(event)
        assert (clinic.topics, clinic.faults()) == (["cancelled" if cancels else "rescheduled"], [])


async def test_whoever_cancels_before_the_event_comes_gives_the_moved_claim_back(clinic: Clinic) -> None:
    for asked_before in (False, True):
        clinic = Clinic()
        one = clinic.has(an_appointment())
        event = clinic.on_leave(one, "moved")
        if asked_before:
            with pytest.raises(Refusal, match="The clinic moved"):
                await clinic.changes.reschedule(clinic.act(ANNA, one), ELEVEN, None)
        await clinic.changes.cancel(clinic.act(ANNA, one), None)
        await clinic.displacements.follow(event)
        assert (clinic.topics, clinic.faults()) == (["cancelled"], [])


@pytest.mark.parametrize("made", [lambda: an_appointment(S.PENDING), with_anyone])
async def test_a_pending_one_that_the_leave_moved_is_refused_and_its_claim_given_back(made: Callable[[], Appointment]) -> None:
    clinic = Clinic()
    one = clinic.has(made())
    claim = clinic.calendar.decide(one.id, one.wish())
    what = a_displaced(one, "moved", previous_doctor_id=claim.doctor_id, revision=2)
    clinic.calendar.leave(what)
    await clinic.restarted()
    kept = clinic.store.kept[one.id]
    assert (kept.status, kept.doctor, [line.action for line in kept.history]) == (S.REFUSED, one.doctor, ["refused"])
    await clinic.displacements.follow(a_leave(what))
    assert (clinic.store.kept[one.id].history, clinic.topics, clinic.faults()) == (kept.history, [], [])


async def test_its_claim_waits_for_a_silent_calendar_and_the_refusal_does_not(clinic: Clinic) -> None:
    one = clinic.has(an_appointment(S.PENDING))
    there = clinic.calendar.decide(one.id, one.wish()).model_copy(update={"starts_at": TEN, "revision": 2})
    refused = await clinic.store.save(one.overtaken(there, NOON))
    clinic.calendar.down = Unavailable()
    with pytest.raises(Refusal, match="The clinic moved"):
        await clinic.booking.book(None, ANNA, one.id)  # type: ignore[arg-type]
    assert clinic.store.kept[one.id] == refused
    await clinic.restarted()
    assert clinic.faults() == []


async def test_a_restoration_that_the_leave_overtook_is_refused_and_the_claim_given_back(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    clinic.calendar.down = Unavailable()
    await clinic.changes.cancel(clinic.act(ANNA, one), None)
    clinic.calendar.down = None
    event = clinic.on_leave(one, "moved")
    with pytest.raises(Refusal, match="The clinic moved"):
        await clinic.changes.restore(clinic.act(DESK, one))
    assert (clinic.store.kept[one.id].status, clinic.faults()) == (S.CANCELLED, [])
    await clinic.displacements.follow(event)
    assert (clinic.topics, clinic.faults()) == (["cancelled"], [])


async def test_a_claim_that_is_elsewhere_by_a_leave_is_not_claimed_back(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    asked = await clinic.store.save(one.reclaim(BY, NOON, 0))
    event = clinic.on_leave(one, "moved")
    settled = await clinic.settling.settled(asked)
    assert (settled.place, settled.denial, settled.intent, settled.version, clinic.topics) == (one.place, None, None, one.version, [])
    await clinic.displacements.follow(event)
    assert (clinic.store.kept[one.id].place, clinic.faults()) == ((TEN, COLLEAGUE), [])


async def test_a_copy_that_finds_its_appointment_moved_on_takes_nothing_away(clinic: Clinic) -> None:
    """The booking was settled by another and moved by its patient before the first answer came."""
    asked = clinic.has(an_appointment(S.PENDING, patient=replace(an_appointment().patient, id=STRANGER)))
    booked = await clinic.settling.settled(asked)
    moved = await clinic.changes.reschedule(clinic.act(DESK, booked), TEN, None)
    assert await clinic.settling.settled(asked) == moved
    assert clinic.faults() == []
