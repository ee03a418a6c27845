"""Order is kept: unanswered requests expire, claims and appointments are compared both ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from shared.contracts.refusals import Conflict, Unavailable
from shared.kit.ids import new_id
from tests.unit.appointment.builders import COLLEAGUE, DESK, HALF, NINE, NOON, STRANGER, TEN, an_appointment
from tests.unit.appointment.fakes import Clinic, Killed

SECOND = timedelta(seconds=1)


@pytest.fixture
def clinic() -> Clinic:
    """A minute after everything that stands in it."""
    clinic = Clinic()
    clinic.clock.advance(timedelta(minutes=1))
    return clinic


async def test_a_request_expires_when_its_time_comes(clinic: Clinic) -> None:
    one = clinic.has(an_appointment(Status.REQUESTED))
    clinic.clock.set(NINE - SECOND)
    assert await clinic.keeping.expire_requests() == 0
    clinic.clock.set(NINE)
    assert [await clinic.keeping.expire_requests(), await clinic.keeping.expire_requests()] == [1, 0]
    assert (clinic.store.kept[one.id].status, clinic.topics, clinic.faults()) == (Status.EXPIRED, ["expired"], [])
    assert clinic.store.kept[one.id].history[-1].actor.role == "system"


async def test_a_request_that_was_approved_meanwhile_does_not_expire(clinic: Clinic) -> None:
    one = clinic.has(an_appointment(Status.REQUESTED))
    clinic.clock.set(NINE)
    clinic.store.meanwhile = [replace(one, status=Status.BOOKED, version=3)]
    assert await clinic.keeping.expire_requests() == 0
    assert clinic.store.kept[one.id].status is Status.BOOKED


async def test_an_expiry_does_not_wait_for_the_calendar(clinic: Clinic) -> None:
    clinic.has(an_appointment(Status.REQUESTED))
    clinic.clock.set(NINE)
    clinic.calendar.down = Unavailable()
    assert await clinic.keeping.expire_requests() == 1
    await clinic.restarted()
    assert (clinic.topics, clinic.faults()) == (["expired"], [])


async def test_where_both_sides_agree_nothing_is_touched(clinic: Clinic) -> None:
    for number in range(3):
        clinic.has(an_appointment(starts_at=NINE + number * timedelta(hours=1)))
    before = dict(clinic.store.kept), dict(clinic.calendar.claims)
    await clinic.keeping.reconcile()
    assert (clinic.store.kept, clinic.calendar.claims) == before


async def test_a_claim_without_its_appointment_is_released(clinic: Clinic) -> None:
    clinic.claims_for(an_appointment())
    cancelled = clinic.has(an_appointment(Status.CANCELLED, starts_at=TEN))
    clinic.claims_for(cancelled)
    await clinic.keeping.reconcile()
    assert clinic.calendar.claims == {}


async def test_the_claim_of_one_that_is_being_settled_or_was_just_touched_is_left_alone(clinic: Clinic) -> None:
    pending = clinic.has(an_appointment(Status.PENDING))
    fresh = clinic.has(an_appointment(Status.CANCELLED, starts_at=TEN, updated_at=clinic.clock() - SECOND))
    clinic.claims_for(pending)
    clinic.claims_for(fresh)
    await clinic.keeping.reconcile()
    assert set(clinic.calendar.claims) == {pending.id, fresh.id}


@pytest.mark.parametrize("status", [Status.BOOKED, Status.REQUESTED])
async def test_an_appointment_without_its_claim_claims_again(clinic: Clinic, status: Status) -> None:
    one = clinic.has(an_appointment(status))
    clinic.calendar.claims.clear()
    await clinic.keeping.reconcile()
    kept = clinic.store.kept[one.id]
    assert (clinic.faults(), clinic.topics) == ([], [])
    assert (kept.version, kept.status, kept.history) == (one.version, one.status, one.history)


async def test_an_appointment_whose_claim_was_released_under_it_claims_again(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    await clinic.calendar.release(one.id, one.revision)
    await clinic.keeping.reconcile()
    assert clinic.faults() == []


async def test_an_appointment_whose_claim_is_elsewhere_gets_its_own_time_back(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    clinic.claims_for(replace(one, starts_at=TEN, revision=2))
    await clinic.keeping.reconcile()
    assert clinic.faults() == []


def mended(dies_at: int | None = None) -> tuple[Clinic, Appointment]:
    """A clinic in which an appointment has lost its claim."""
    clinic = Clinic()
    clinic.clock.advance(timedelta(minutes=1))
    one = clinic.has(an_appointment())
    clinic.calendar.claims.clear()
    clinic.fate.dies_at = dies_at
    return clinic, one


async def test_whoever_dies_while_mending_is_helped_by_the_jobs() -> None:
    clinic, _ = mended()
    await clinic.keeping.reconcile()
    points = clinic.fate.halves
    assert points >= 4
    for point in range(points):
        clinic, one = mended(dies_at=point)
        with pytest.raises(Killed):
            await clinic.keeping.reconcile()
        await clinic.restarted()
        await clinic.keeping.reconcile()
        assert (clinic.faults(), clinic.store.kept[one.id].status) == ([], Status.BOOKED), point


async def test_where_the_clinic_moved_a_claim_and_the_event_was_lost_the_appointment_follows(clinic: Clinic) -> None:
    moved, called_off = (
        clinic.has(an_appointment()),
        clinic.has(an_appointment(starts_at=TEN, patient=replace(an_appointment().patient, id=STRANGER))),
    )
    events = [clinic.on_leave(moved, "moved", starts_at=NINE, ends_at=NINE + HALF), clinic.on_leave(called_off)]
    await clinic.keeping.reconcile()
    assert (clinic.store.kept[moved.id].place, clinic.store.kept[called_off.id].status) == ((NINE, COLLEAGUE), Status.CANCELLED)
    for event in events:
        await clinic.displacements.follow(event)
    assert (sorted(clinic.topics), clinic.faults()) == (["cancelled", "rescheduled"], [])


@pytest.mark.parametrize(("action", "status"), [("cancelled", Status.CANCELLED), ("moved", Status.BOOKED)])
async def test_what_the_clinic_decided_stays_when_its_patient_tried_to_move_before_hearing_of_it(
    clinic: Clinic, action: str, status: Status
) -> None:
    one = clinic.has(an_appointment())
    event = clinic.on_leave(one, action)
    with pytest.raises(Conflict):
        await clinic.changes.reschedule(clinic.act(DESK, one), TEN + HALF, None)
    clinic.clock.advance(timedelta(minutes=10))
    await clinic.keeping.reconcile()
    await clinic.displacements.follow(event)
    assert (clinic.store.kept[one.id].status, len(clinic.topics), clinic.faults()) == (status, 1, [])
    assert action == "cancelled" or clinic.store.kept[one.id].place == (TEN, COLLEAGUE)


@pytest.mark.parametrize("status", [Status.CHECKED_IN, Status.IN_PROGRESS])
async def test_one_that_has_begun_and_lost_its_claim_has_it_over_whoever_took_it(clinic: Clinic, status: Status) -> None:
    one = clinic.has(an_appointment(status))
    clinic.calendar.claims.clear()
    rival = clinic.has(an_appointment(patient=replace(one.patient, id=new_id())))
    await clinic.keeping.reconcile()
    assert (set(clinic.calendar.claims), clinic.store.kept[one.id].status, clinic.topics) == ({one.id, rival.id}, status, [])


async def test_a_time_that_is_lost_to_another_is_not_taken_away(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    clinic.calendar.claims.clear()
    rival = clinic.has(an_appointment(patient=replace(one.patient, id=new_id())))
    await clinic.keeping.reconcile()
    assert (set(clinic.calendar.claims), clinic.store.kept[one.id].status) == ({rival.id}, Status.BOOKED)


async def test_what_is_over_is_left_in_peace(clinic: Clinic) -> None:
    clinic.has(an_appointment())
    clinic.calendar.claims.clear()
    clinic.clock.set(NINE + timedelta(days=1))
    await clinic.keeping.reconcile()
    assert clinic.calendar.asked == []


async def test_one_moved_while_both_sides_are_compared_is_left_alone(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    claim = clinic.calendar.claims[one.id]
    await clinic.changes.reschedule(clinic.act(DESK, one), TEN, None)
    assert await clinic.keeping._claimless(one, None) == await clinic.keeping._claimless(one, claim) == 0
    assert clinic.store.kept[one.id].updated_at > NOON


async def test_a_move_of_one_whose_time_is_lost_is_refused_once_and_for_all(clinic: Clinic) -> None:
    one = clinic.has(an_appointment())
    clinic.calendar.claims.clear()
    for start in (NINE, TEN):
        clinic.has(an_appointment(starts_at=start, patient=replace(one.patient, id=new_id())))
    act = clinic.act(DESK, one)
    for _ in range(2):
        with pytest.raises(Conflict, match="The time is taken"):
            await clinic.changes.reschedule(act, TEN, None)
    assert len(clinic.calendar.asked) == 2
