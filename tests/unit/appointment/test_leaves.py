"""Coming after a doctor's leave: what the calendar moved or called off is moved or called off once, and is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Actor
from shared.contracts.refusals import NotFound, Unavailable
from shared.kit.ids import new_id
from tests.unit.appointment.builders import (
    ANNA,
    BY,
    COLLEAGUE,
    DESK,
    DOCTOR,
    DR_WEISS,
    HALF,
    NINE,
    NOON,
    TEN,
    a_displaced,
    a_doctor,
    a_leave,
    an_appointment,
    remembered,
)
from tests.unit.appointment.fakes import Clinic, Killed

S = Status
ELEVEN = TEN + timedelta(hours=1)
GONE = (S.CANCELLED, S.DECLINED, S.EXPIRED, S.REFUSED)
BEGUN = (S.CHECKED_IN, S.IN_PROGRESS, S.COMPLETED, S.MISSED)


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


@pytest.mark.parametrize("status", [S.BOOKED, S.REQUESTED])
async def test_what_was_called_off_is_cancelled_whatever_the_cut_off_and_told_once(clinic: Clinic, status: Status) -> None:
    one = clinic.has(an_appointment(status, service={"cancel_cutoff_minutes": 60 * 24 * 30}))
    event = clinic.on_leave(one)
    for _ in range(2):
        await clinic.displacements.follow(event)
    kept = clinic.store.kept[one.id]
    assert (kept.status, kept.cancel_reason, kept.version) == (S.CANCELLED, "The doctor is away.", one.version + 1)
    assert (clinic.topics, clinic.store.events[0].actor, clinic.faults()) == (["cancelled"], Actor.from_caller(DR_WEISS), [])
    assert [(line.action, line.actor, line.note) for line in kept.history] == [
        ("cancelled", Actor.from_caller(DR_WEISS), "The doctor is away.")
    ]


@pytest.mark.parametrize("status", [S.BOOKED, S.REQUESTED])
async def test_what_was_moved_is_where_its_claim_is_and_told_once(clinic: Clinic, status: Status) -> None:
    one = clinic.has(an_appointment(status, service={"reschedule_cutoff_minutes": 60 * 24 * 30}))
    clinic.staff[COLLEAGUE] = a_doctor(id=COLLEAGUE, full_name="Bo Grau")
    event = clinic.on_leave(one, "moved")
    for _ in range(2):
        await clinic.displacements.follow(event)
    kept, (told,) = clinic.store.kept[one.id], clinic.store.events
    assert (kept.status, kept.place, kept.ends_at, kept.revision) == (status, (TEN, COLLEAGUE), TEN + HALF, 2)
    assert kept.doctor == remembered(id=COLLEAGUE, full_name="Bo Grau")
    assert (told.topic, told.previous_starts_at, told.previous_doctor_id) == ("appointment.rescheduled.v1", NINE, DOCTOR)
    assert (told.starts_at, told.doctor_id, told.sequence, told.version, told.actor) == (TEN, COLLEAGUE, 1, 3, Actor.from_caller(DR_WEISS))
    assert [(line.action, line.actor) for line in kept.history] == [("rescheduled", Actor.from_caller(DR_WEISS))]
    assert clinic.faults() == []


async def test_who_stays_with_the_same_doctor_needs_no_card(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    what = a_displaced(one, "moved", doctor_id=DOCTOR)
    clinic.calendar.leave(what)
    clinic.silent = True
    await clinic.displacements.follow(a_leave(what))
    assert (clinic.store.kept[one.id].place, clinic.faults()) == ((TEN, DOCTOR), [])


@pytest.mark.parametrize("action", ["cancelled", "moved"])
@pytest.mark.parametrize("status", BEGUN)
async def test_one_that_has_begun_goes_on_and_has_its_time_again(clinic: Clinic, action: str, status: Status) -> None:
    one = clinic.has(an_appointment(status))
    event = clinic.on_leave(one, action)
    assert clinic.faults()
    for _ in range(2):
        await clinic.displacements.follow(event)
    kept = clinic.store.kept[one.id]
    assert (kept.status, kept.place, kept.version, clinic.topics, clinic.faults()) == (status, one.place, one.version, [], [])
    assert clinic.calendar.asked[-1].begun


async def test_leaves_that_are_told_in_any_order_leave_what_the_calendar_has() -> None:
    for order in (lambda events: events, reversed):
        clinic = Clinic()
        one = clinic.has(an_appointment())
        first = clinic.on_leave(one, "moved")
        second = clinic.on_leave(replace(one, revision=2), "cancelled", previous_doctor_id=COLLEAGUE, previous_starts_at=TEN)
        for event in [*order([first, second]), first]:
            await clinic.displacements.follow(event)
        assert (clinic.store.kept[one.id].status, clinic.topics, clinic.faults()) == (S.CANCELLED, ["cancelled"], [])


async def test_one_that_was_moved_away_and_back_before_it_heard_of_it_can_be_cancelled_and_moved(clinic: Clinic) -> None:
    for change in (partial(clinic.changes.cancel, reason=None), partial(clinic.changes.reschedule, starts_at=ELEVEN, doctor_id=None)):
        one = clinic.has(an_appointment())
        there = clinic.on_leave(one, "moved")
        back = clinic.on_leave(replace(one, revision=2), "moved", starts_at=NINE, ends_at=NINE + HALF, doctor_id=DOCTOR)
        for event in (there, back):
            await clinic.displacements.follow(event)
        assert (clinic.store.kept[one.id].version, clinic.store.kept[one.id].history) == (one.version, ())
        await change(clinic.act(ANNA, one))
        assert clinic.faults() == []


async def test_what_is_told_again_after_its_patient_came_back_changes_nothing(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    late = a_leave(a_displaced(one, "cancelled"))
    for start in (ELEVEN, NINE):
        await clinic.changes.reschedule(clinic.act(ANNA, one), start, None)
        await clinic.displacements.follow(late)
    assert (clinic.store.kept[one.id].status, clinic.topics, clinic.faults()) == (S.BOOKED, ["rescheduled"] * 2, [])


@pytest.mark.parametrize("action", ["cancelled", "moved"])
@pytest.mark.parametrize("place", [{"starts_at": ELEVEN}, {"doctor": remembered(id=COLLEAGUE)}])
async def test_one_that_was_moved_since_stays_where_it_is(clinic: Clinic, action: str, place: dict[str, object]) -> None:
    one = an_appointment()
    moved = clinic.has(replace(one, revision=3, **place))  # type: ignore[arg-type]
    await clinic.displacements.follow(a_leave(a_displaced(one, action)))
    assert (clinic.store.kept[one.id], clinic.topics) == (moved, [])


@pytest.mark.parametrize("status", GONE)
async def test_the_moved_claim_of_one_that_ended_meanwhile_is_given_back(clinic: Clinic, status: Status) -> None:
    one = an_appointment(status)
    clinic.claims_for(clinic.has(one))
    event = clinic.on_leave(one, "moved")
    for _ in range(2):
        await clinic.displacements.follow(event)
    kept = clinic.store.kept[one.id]
    assert (kept.status, kept.version, kept.history, clinic.topics, clinic.faults()) == (status, one.version, (), [], [])


@pytest.mark.parametrize("status", GONE)
async def test_of_one_that_ended_nothing_is_called_off(clinic: Clinic, status: Status) -> None:
    one = clinic.has(an_appointment(status))
    await clinic.displacements.follow(a_leave(a_displaced(one)))
    assert (clinic.store.kept[one.id], clinic.topics) == (one, [])


async def test_while_the_calendar_does_not_answer_the_event_comes_again(clinic: Clinic) -> None:
    one = an_appointment(S.CANCELLED)
    clinic.claims_for(clinic.has(one))
    event = clinic.on_leave(one, "moved")
    clinic.calendar.down = Unavailable()
    with pytest.raises(Unavailable):
        await clinic.displacements.follow(event)
    clinic.calendar.down = None
    await clinic.displacements.follow(event)
    assert clinic.faults() == []


async def test_one_that_the_leave_called_off_can_be_restored_and_stays_so(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    event = clinic.on_leave(one)
    await clinic.displacements.follow(event)
    restored = await clinic.changes.restore(clinic.act(DESK, one))
    await clinic.displacements.follow(event)
    assert (clinic.store.kept[one.id], restored.status, clinic.faults()) == (restored, S.BOOKED, [])


async def test_one_that_the_leave_moved_can_be_moved_on_and_stays_there(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    event = clinic.on_leave(one, "moved")
    await clinic.displacements.follow(event)
    moved = await clinic.changes.reschedule(clinic.act(ANNA, one), ELEVEN, None)
    await clinic.displacements.follow(event)
    assert (moved.place, clinic.store.kept[one.id], clinic.faults()) == ((ELEVEN, COLLEAGUE), moved, [])


async def test_a_move_under_way_is_settled_first_and_then_follows(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    event = clinic.on_leave(one, "moved")
    await clinic.store.save(one.reschedule(ELEVEN, one.doctor, BY, NOON, once=new_id()))
    await clinic.displacements.follow(event)
    assert (clinic.store.kept[one.id].place, clinic.topics, clinic.faults()) == ((TEN, COLLEAGUE), ["rescheduled"], [])


async def test_where_one_cannot_follow_the_others_do_and_it_comes_later(clinic: Clinic) -> None:
    first, second = clinic.has(an_appointment()), clinic.has(an_appointment(starts_at=ELEVEN))
    what = a_displaced(first, "moved"), a_displaced(second, "cancelled")
    clinic.calendar.leave(*what)
    clinic.silent = True
    with pytest.raises(Unavailable):
        await clinic.displacements.follow(event := a_leave(*what))
    assert clinic.topics == ["cancelled"]
    clinic.silent = False
    await clinic.displacements.follow(event)
    assert (clinic.topics, clinic.faults()) == (["cancelled", "rescheduled"], [])


@pytest.mark.parametrize("how", ["silent", "unknown"])
async def test_without_the_colleague_s_card_nothing_is_written_and_the_event_comes_again(clinic: Clinic, how: str) -> None:
    one = clinic.has(an_appointment())
    event = clinic.on_leave(one, "moved")
    clinic.silent, colleague = how == "silent", clinic.staff.pop(COLLEAGUE)
    with pytest.raises((Unavailable, NotFound)):
        await clinic.displacements.follow(event)
    assert clinic.store.kept[one.id] == one
    clinic.silent, clinic.staff[COLLEAGUE] = False, colleague
    await clinic.displacements.follow(event)
    assert (clinic.topics, clinic.faults()) == (["rescheduled"], [])


async def test_whoever_was_overtaken_looks_again(clinic: Clinic) -> None:
    amended, cancelled, moved = (clinic.has(an_appointment(starts_at=start)) for start in (NINE, TEN, ELEVEN))
    for one, action, meanwhile, after in (
        (amended, "moved", replace(amended, reason="knee"), S.BOOKED),
        (cancelled, "cancelled", cancelled.cancel(BY, NOON, once=new_id(), reason="ill"), S.CANCELLED),
        (moved, "cancelled", moved.become(S.CHECKED_IN, BY, NOON, once=new_id()), S.CHECKED_IN),
    ):
        clinic.store.meanwhile = [meanwhile]
        await clinic.displacements.follow(clinic.on_leave(one, action))
        kept = clinic.store.kept[one.id]
        assert (kept.status, kept.reason, kept.cancel_reason) == (after, meanwhile.reason, meanwhile.cancel_reason)
    assert clinic.topics == ["rescheduled"]


async def test_one_that_too_many_change_comes_again(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())

    class Restless(list[Appointment]):
        def __bool__(self) -> bool:
            clinic.store.kept[one.id] = replace(one, edition=clinic.store.kept[one.id].edition + 1)
            return False

    clinic.store.meanwhile, event = Restless(), clinic.on_leave(one)
    with pytest.raises(Unavailable):
        await clinic.displacements.follow(event)
    clinic.store.meanwhile = []
    await clinic.displacements.follow(event)
    assert clinic.topics == ["cancelled"]


async def test_what_nobody_knows_is_nobodys(clinic: Clinic) -> None:
    await clinic.displacements.follow(a_leave(a_displaced(an_appointment()), a_displaced(an_appointment(), "moved")))
    assert (clinic.store.kept, clinic.topics) == ({}, [])


ENDS: dict[str, tuple[str, Callable[[], Appointment], list[str]]] = {
    "cancelled": ("cancelled", an_appointment, ["cancelled"]),
    "moved": ("moved", an_appointment, ["rescheduled"]),
    "ended": ("moved", lambda: an_appointment(S.CANCELLED), []),
}


@pytest.mark.parametrize("name", ENDS)
async def test_whoever_dies_at_any_point_follows_when_the_event_comes_again(name: str) -> None:
    action, made, topics = ENDS[name]

    def begun() -> tuple[Clinic, LeaveTaken]:
        clinic = Clinic()
        one = clinic.has(made())
        clinic.claims_for(one)
        return clinic, clinic.on_leave(one, action)

    clinic, event = begun()
    await clinic.displacements.follow(event)
    points = clinic.fate.halves
    assert points >= 4
    for point in range(points):
        clinic, event = begun()
        clinic.fate.dies_at = point
        with pytest.raises(Killed):
            await clinic.displacements.follow(event)
        clinic.fate.dies_at = None
        await clinic.displacements.follow(event)
        await clinic.restarted()
        assert (clinic.topics, clinic.faults()) == (topics, []), point
