"""Several at once: whoever is overtaken looks again, and nobody's change is lost or done twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from appointment_svc.domain.moves import Status
from appointment_svc.domain.refusals import IllegalMove
from shared.contracts.refusals import Refusal, Stale
from shared.kit.ids import new_id
from tests.unit.appointment.builders import ADMIN, ANNA, BY, DESK, NINE, NOON, TEN, a_wish, an_appointment
from tests.unit.appointment.fakes import Clinic

ELEVEN = TEN + timedelta(hours=1)


async def test_of_a_cancellation_and_a_move_the_cancellation_stays() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    clinic.store.meanwhile = [one.cancel(BY, NOON, once=new_id(), reason=None)]
    with pytest.raises(IllegalMove):
        await clinic.changes.reschedule(clinic.act(ANNA, one), TEN, None)
    clinic.store.events.clear()
    await clinic.restarted()
    assert (clinic.store.kept[one.id].status, clinic.faults()) == (Status.CANCELLED, [])


async def test_a_cancellation_that_meets_a_move_under_way_finishes_it_first() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    clinic.store.meanwhile = [one.reschedule(TEN, one.doctor, BY, NOON, once=new_id())]
    cancelled = await clinic.changes.cancel(clinic.act(ANNA, one), None)
    assert (cancelled.status, cancelled.starts_at, clinic.topics, clinic.faults()) == (
        Status.CANCELLED,
        TEN,
        ["rescheduled", "cancelled"],
        [],
    )


async def test_of_two_moves_both_are_done_one_after_the_other() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    clinic.store.meanwhile = [one.reschedule(TEN, one.doctor, BY, NOON, once=new_id())]
    moved = await clinic.changes.reschedule(clinic.act(ANNA, one), ELEVEN, None)
    assert (moved.starts_at, moved.version, clinic.topics, clinic.faults()) == (ELEVEN, 4, ["rescheduled"] * 2, [])


async def test_whoever_saw_another_version_is_told_so() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    clinic.store.meanwhile = [one.reschedule(TEN, one.doctor, BY, NOON, once=new_id())]
    with pytest.raises(Stale) as refusal:
        await clinic.changes.reschedule(clinic.act(ANNA, one, expected=2), ELEVEN, None)
    assert refusal.value.facts == {"version": 3}


async def test_the_request_and_the_job_may_settle_the_same_thing() -> None:
    for taken in (False, True):
        clinic = Clinic()
        if taken:
            clinic.has(an_appointment(patient=replace(an_appointment().patient, id=new_id())))
        asked = clinic.has(an_appointment(Status.PENDING))
        both = await asyncio.gather(clinic.settling.settled(asked), clinic.settling.settled(asked))
        assert {one.status for one in both} == {Status.REFUSED if taken else Status.BOOKED}
        assert (clinic.topics, clinic.faults()) == ([] if taken else ["booked"], [])


async def test_a_refusal_that_another_wrote_down_reaches_the_one_who_asked() -> None:
    """The job settled the move while its request was under way."""
    clinic = Clinic()
    one = clinic.has(an_appointment())
    clinic.has(an_appointment(starts_at=TEN, patient=replace(one.patient, id=new_id())))
    act = clinic.act(ANNA, one)
    asked = await clinic.store.save(one.reschedule(TEN, one.doctor, BY, NOON, once=act.once))
    await clinic.settling.settled(asked)
    with pytest.raises(Refusal) as refusal:
        await clinic.changes.reschedule(act, TEN, None)
    assert (refusal.value.code, clinic.faults()) == ("slot_taken", [])


async def test_a_grant_that_another_wrote_down_is_no_refusal() -> None:
    """The calendar refuses the second of two equal wishes when the slot's state changed in between; what was granted stays granted."""
    clinic = Clinic()
    asked = clinic.has(an_appointment(Status.PENDING))
    rival = clinic.has(an_appointment(patient=replace(asked.patient, id=new_id())))
    assert asked.intent is not None
    granted = replace(asked, status=Status.BOOKED, intent=None, revision=1, version=2)
    clinic.store.meanwhile = [granted]
    assert (await clinic.booking.book(a_wish(), ANNA, asked.id)).status is Status.BOOKED
    assert rival.id in clinic.calendar.claims


async def test_ten_who_move_one_appointment_at_once_leave_it_in_one_place() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    moves = [clinic.changes.reschedule(clinic.act(DESK, one), TEN + number * timedelta(hours=1), None) for number in range(10)]
    await asyncio.gather(*moves)
    assert (clinic.faults(), clinic.topics, clinic.store.kept[one.id].version) == ([], ["rescheduled"] * 10, 12)


async def test_a_repeated_wish_is_done_once() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    act = clinic.act(ANNA, one, expected=2)
    first = await clinic.changes.reschedule(act, TEN, None)
    again = await clinic.changes.reschedule(act, TEN, None)
    assert (again, clinic.topics) == (first, ["rescheduled"])


async def test_the_same_time_again_changes_nothing() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    assert (await clinic.changes.reschedule(clinic.act(ANNA, one), NINE, None)).version == one.version
    assert (clinic.topics, clinic.calendar.asked) == ([], [])


async def test_an_admin_moves_and_sets_a_status_in_one_go() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment(Status.REQUESTED))
    done = await clinic.changes.set(clinic.act(ADMIN, one, expected=2), TEN, None, Status.BOOKED, "phone call")
    assert (done.status, done.starts_at, clinic.topics, clinic.faults()) == (Status.BOOKED, TEN, ["rescheduled", "booked"], [])
    assert [line.note for line in done.history] == ["phone call"] * 2


async def test_an_admin_whose_status_is_illegal_moves_nothing() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    with pytest.raises(IllegalMove):
        await clinic.changes.set(clinic.act(ADMIN, one), TEN, None, Status.COMPLETED, "because")
    assert (clinic.store.kept[one.id], clinic.topics) == (one, [])


async def test_an_admin_who_saw_another_version_is_told_so_even_when_nothing_would_change() -> None:
    clinic = Clinic()
    one = clinic.has(an_appointment())
    with pytest.raises(Stale):
        await clinic.changes.set(clinic.act(ADMIN, one, expected=1), None, None, Status.BOOKED, "because")
