"""Reservation requests: repeated, overtaken, moved and released."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import Claim, requested_slot
from scheduling_svc.domain.refusals import NoSuchReservation, UnknownDoctor
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.http import Actor, WeeklyWindow
from shared.contracts.identity import Role
from shared.contracts.relayed_refusals import NotBookable, PatientBusy, ReservationReleased, SlotTaken
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar

FIRST, SECOND = UUID(int=0xF1), UUID(int=0xF2)
OTHER = UUID(int=0xB)
HALF = timedelta(minutes=30)


@pytest.fixture
def store() -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), COLLEAGUE: a_doctor(id=COLLEAGUE), CHECKUP: a_service()})


def calendar(store: InMemoryCalendar, now: datetime = NOON) -> Reservations:
    return Reservations(store, RuleCache(store, FakeRuleOwner()), lambda: now)


def taken(appointment_id: UUID, revision: int = 1, **changes: Any) -> Claim:
    request = a_reservation_request(**changes)
    return Claim(appointment_id, revision, requested_slot(request, ServiceTerms.from_rules(a_service()), request.doctor_id or DOCTOR))


async def test_a_free_time_is_granted(store: InMemoryCalendar) -> None:
    granted = await calendar(store).reserve(FIRST, a_reservation_request())
    assert (granted.starts_at, granted.ends_at, granted.revision, granted.live) == (NINE, NINE + HALF, 1, True)
    assert await calendar(store).get(FIRST) == granted


async def test_a_repeated_wish_gets_what_stands_even_when_it_would_be_too_late(store: InMemoryCalendar) -> None:
    granted = await calendar(store).reserve(FIRST, a_reservation_request())
    assert await calendar(store, now=NINE + HALF).reserve(FIRST, a_reservation_request()) == granted


async def test_a_wish_that_a_later_one_overtook_changes_nothing(store: InMemoryCalendar) -> None:
    await calendar(store).reserve(FIRST, a_reservation_request(revision=1))
    moved = await calendar(store).reserve(FIRST, a_reservation_request(revision=3, starts_at=NINE + HALF))
    assert await calendar(store).reserve(FIRST, a_reservation_request(revision=2, starts_at=NINE + 4 * HALF)) == moved


async def test_a_move_may_overlap_its_own_time(store: InMemoryCalendar) -> None:
    store.known[CHECKUP] = a_service(slot_step_minutes=15)
    await calendar(store).reserve(FIRST, a_reservation_request())
    moved = await calendar(store).reserve(FIRST, a_reservation_request(revision=2, starts_at=NINE + HALF / 2))
    assert moved.starts_at == NINE + HALF / 2
    assert len(store.claims) == 1


async def test_a_new_wish_for_the_time_that_is_held_is_not_judged_again(store: InMemoryCalendar) -> None:
    await calendar(store).reserve(FIRST, a_reservation_request())
    store.known[DOCTOR] = a_doctor(weekly=[])
    assert (await calendar(store).reserve(FIRST, a_reservation_request(revision=2))).revision == 2


async def test_a_released_time_can_be_booked_again(store: InMemoryCalendar) -> None:
    await calendar(store).reserve(FIRST, a_reservation_request())
    await calendar(store).release(FIRST, 1)
    assert await calendar(store).list_live(10, None) == []
    assert (await calendar(store).get(FIRST)).live is False
    await calendar(store).reserve(SECOND, a_reservation_request(patient_id=OTHER))


async def test_after_a_release_only_a_later_wish_claims_again(store: InMemoryCalendar) -> None:
    await calendar(store).reserve(FIRST, a_reservation_request())
    await calendar(store).release(FIRST, 2)
    with pytest.raises(ReservationReleased):
        await calendar(store).reserve(FIRST, a_reservation_request(revision=2))
    assert (await calendar(store).reserve(FIRST, a_reservation_request(revision=3))).live


async def test_a_release_that_came_first_turns_the_late_wish_away(store: InMemoryCalendar) -> None:
    await calendar(store).release(FIRST, 1)
    with pytest.raises(ReservationReleased):
        await calendar(store).reserve(FIRST, a_reservation_request())
    with pytest.raises(NoSuchReservation):
        await calendar(store).get(FIRST)


async def test_a_release_that_a_later_wish_overtook_changes_nothing(store: InMemoryCalendar) -> None:
    await calendar(store).reserve(FIRST, a_reservation_request(revision=5))
    await calendar(store).release(FIRST, 4)
    assert (await calendar(store).get(FIRST)).live


async def test_a_taken_time_is_refused_with_the_nearest_free_ones(store: InMemoryCalendar) -> None:
    store.claims[FIRST] = taken(FIRST, starts_at=NINE + 2 * HALF)
    with pytest.raises(SlotTaken) as refusal:
        await calendar(store).reserve(SECOND, a_reservation_request(patient_id=OTHER, starts_at=NINE + 2 * HALF))
    offered = [(alternative.doctor_id, alternative.starts_at) for alternative in refusal.value.facts["alternatives"]]
    assert offered == [(DOCTOR, NINE + steps * HALF) for steps in (0, 1, 3, 4, 5)]
    for revision, (_, start) in enumerate(offered, start=1):
        assert (
            await calendar(store).reserve(SECOND, a_reservation_request(patient_id=OTHER, starts_at=start, revision=revision))
        ).starts_at == start


async def test_the_same_time_of_the_next_week_is_near(store: InMemoryCalendar) -> None:
    store.known[DOCTOR] = a_doctor(weekly=[WeeklyWindow(weekday=NINE.isoweekday(), start="09:00", end="09:30")])
    store.claims[FIRST] = taken(FIRST)
    with pytest.raises(SlotTaken) as refusal:
        await calendar(store).reserve(SECOND, a_reservation_request(patient_id=OTHER))
    assert [alternative.starts_at for alternative in refusal.value.facts["alternatives"]] == [NINE + timedelta(days=7)]


async def test_a_patient_who_is_elsewhere_is_told_so_with_times_that_suit(store: InMemoryCalendar) -> None:
    store.claims[FIRST] = taken(FIRST, doctor_id=COLLEAGUE)
    with pytest.raises(PatientBusy) as refusal:
        await calendar(store).reserve(SECOND, a_reservation_request())
    assert NINE not in [alternative.starts_at for alternative in refusal.value.facts["alternatives"]]


async def test_a_time_that_nobody_can_book_is_refused_with_every_reason(store: InMemoryCalendar) -> None:
    store.known[DOCTOR] = a_doctor(active=False)
    with pytest.raises(NotBookable) as refusal:
        await calendar(store).reserve(FIRST, a_reservation_request(starts_at=NINE + timedelta(minutes=5)))
    assert [reason["code"] for reason in refusal.value.facts["reasons"]] == ["doctor_inactive", "off_grid"]
    assert store.claims == {}


async def test_the_front_desk_books_with_a_doctor_who_takes_no_new_patients(store: InMemoryCalendar) -> None:
    store.known[DOCTOR] = a_doctor(accepting_patients=False)
    with pytest.raises(NotBookable):
        await calendar(store).reserve(FIRST, a_reservation_request())
    await calendar(store).reserve(FIRST, a_reservation_request(by=Actor(id=OTHER, role=Role.RECEPTION)))


async def test_a_request_that_lost_a_race_is_run_again_and_refused_because_of_the_winner(store: InMemoryCalendar) -> None:
    store.concurrent_claims = [taken(SECOND, patient_id=OTHER)]
    with pytest.raises(SlotTaken):
        await calendar(store).reserve(FIRST, a_reservation_request())


async def test_a_claim_that_changed_after_it_was_read_is_read_again(store: InMemoryCalendar) -> None:
    store.concurrent_claims = [replace(taken(FIRST, revision=2), live=False)]
    with pytest.raises(ReservationReleased):
        await calendar(store).reserve(FIRST, a_reservation_request())


async def test_a_doctor_whom_nobody_knows_is_refused(store: InMemoryCalendar) -> None:
    with pytest.raises(UnknownDoctor):
        await calendar(store).reserve(FIRST, a_reservation_request(doctor_id=UUID(int=1)))


async def test_another_persons_claim_concerns_nobody_else(store: InMemoryCalendar) -> None:
    claim = taken(FIRST)
    who = {PATIENT: Role.PATIENT, DOCTOR: Role.DOCTOR, OTHER: Role.PATIENT, UUID(int=9): Role.RECEPTION}
    concerned = [person for person, role in who.items() if claim.is_visible_to(Actor(id=person, role=role).caller)]
    assert concerned == [PATIENT, DOCTOR, UUID(int=9)]
