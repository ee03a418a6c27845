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


def reservations_over(store: InMemoryCalendar, now: datetime = NOON) -> Reservations:
    return Reservations(store, RuleCache(store, FakeRuleOwner()), lambda: now)


def a_claim(appointment_id: UUID, revision: int = 1, **changes: Any) -> Claim:
    request = a_reservation_request(**changes)
    return Claim(appointment_id, revision, requested_slot(request, ServiceTerms.from_rules(a_service()), request.doctor_id or DOCTOR))


async def test_a_free_time_is_granted(store: InMemoryCalendar) -> None:
    granted = await reservations_over(store).reserve(FIRST, a_reservation_request())
    assert (granted.starts_at, granted.ends_at, granted.revision, granted.live) == (NINE, NINE + HALF, 1, True)
    assert await reservations_over(store).get(FIRST) == granted


async def test_a_repeated_request_gets_the_same_answer_even_if_it_is_too_late(store: InMemoryCalendar) -> None:
    granted = await reservations_over(store).reserve(FIRST, a_reservation_request())
    assert await reservations_over(store, now=NINE + HALF).reserve(FIRST, a_reservation_request()) == granted


async def test_a_request_that_a_later_one_overtook_changes_nothing(store: InMemoryCalendar) -> None:
    await reservations_over(store).reserve(FIRST, a_reservation_request(revision=1))
    moved = await reservations_over(store).reserve(FIRST, a_reservation_request(revision=3, starts_at=NINE + HALF))
    assert await reservations_over(store).reserve(FIRST, a_reservation_request(revision=2, starts_at=NINE + 4 * HALF)) == moved


async def test_a_move_may_overlap_its_own_time(store: InMemoryCalendar) -> None:
    store.known[CHECKUP] = a_service(slot_step_minutes=15)
    await reservations_over(store).reserve(FIRST, a_reservation_request())
    moved = await reservations_over(store).reserve(FIRST, a_reservation_request(revision=2, starts_at=NINE + HALF / 2))
    assert moved.starts_at == NINE + HALF / 2
    assert len(store.claims) == 1


async def test_a_new_request_for_the_time_that_is_reserved_is_not_evaluated_again(store: InMemoryCalendar) -> None:
    await reservations_over(store).reserve(FIRST, a_reservation_request())
    store.known[DOCTOR] = a_doctor(weekly=[])
    assert (await reservations_over(store).reserve(FIRST, a_reservation_request(revision=2))).revision == 2


async def test_a_visit_that_is_restored_after_a_merge_is_decided_as_every_booking(store: InMemoryCalendar) -> None:
    await reservations_over(store).reserve(FIRST, a_reservation_request())
    await reservations_over(store).release(FIRST, 1)
    store.concurrent_claims.append(a_claim(SECOND, patient_id=OTHER, doctor_id=COLLEAGUE))
    with pytest.raises(PatientBusy):
        await reservations_over(store).reserve(FIRST, a_reservation_request(revision=2, patient_id=OTHER))
    released, restored = a_claim(FIRST).release(1), a_claim(FIRST, revision=2, patient_id=OTHER)
    assert not restored.has_other_patient(released), "so that the grains are those of an ordinary claim"
    assert restored.has_other_patient(a_claim(FIRST))


async def test_a_visit_of_a_merged_patient_keeps_its_time_although_the_target_has_another_visit(store: InMemoryCalendar) -> None:
    await reservations_over(store).reserve(FIRST, a_reservation_request())
    await reservations_over(store).reserve(SECOND, a_reservation_request(patient_id=OTHER, doctor_id=COLLEAGUE))
    granted = await reservations_over(store).reserve(FIRST, a_reservation_request(revision=2, patient_id=OTHER))
    assert (granted.patient_id, granted.revision, granted.starts_at) == (OTHER, 2, NINE)


async def test_a_released_time_can_be_booked_again(store: InMemoryCalendar) -> None:
    await reservations_over(store).reserve(FIRST, a_reservation_request())
    await reservations_over(store).release(FIRST, 1)
    assert await reservations_over(store).list_live(10, None) == []
    assert (await reservations_over(store).get(FIRST)).live is False
    await reservations_over(store).reserve(SECOND, a_reservation_request(patient_id=OTHER))


async def test_after_a_release_only_a_later_request_reserves_again(store: InMemoryCalendar) -> None:
    await reservations_over(store).reserve(FIRST, a_reservation_request())
    await reservations_over(store).release(FIRST, 2)
    with pytest.raises(ReservationReleased):
        await reservations_over(store).reserve(FIRST, a_reservation_request(revision=2))
    assert (await reservations_over(store).reserve(FIRST, a_reservation_request(revision=3))).live


async def test_a_request_that_arrives_after_its_release_is_refused(store: InMemoryCalendar) -> None:
    await reservations_over(store).release(FIRST, 1)
    with pytest.raises(ReservationReleased):
        await reservations_over(store).reserve(FIRST, a_reservation_request())
    with pytest.raises(NoSuchReservation):
        await reservations_over(store).get(FIRST)


async def test_a_release_that_a_later_request_overtook_changes_nothing(store: InMemoryCalendar) -> None:
    await reservations_over(store).reserve(FIRST, a_reservation_request(revision=5))
    await reservations_over(store).release(FIRST, 4)
    assert (await reservations_over(store).get(FIRST)).live


async def test_a_taken_time_is_refused_with_the_nearest_free_ones(store: InMemoryCalendar) -> None:
    store.claims[FIRST] = a_claim(FIRST, starts_at=NINE + 2 * HALF)
    with pytest.raises(SlotTaken) as refusal:
        await reservations_over(store).reserve(SECOND, a_reservation_request(patient_id=OTHER, starts_at=NINE + 2 * HALF))
    offered = [(alternative.doctor_id, alternative.starts_at) for alternative in refusal.value.facts["alternatives"]]
    assert offered == [(DOCTOR, NINE + steps * HALF) for steps in (0, 1, 3, 4, 5)]
    for revision, (_, start) in enumerate(offered, start=1):
        assert (
            await reservations_over(store).reserve(SECOND, a_reservation_request(patient_id=OTHER, starts_at=start, revision=revision))
        ).starts_at == start


async def test_the_same_time_of_the_next_week_is_an_alternative(store: InMemoryCalendar) -> None:
    store.known[DOCTOR] = a_doctor(weekly=[WeeklyWindow(weekday=NINE.isoweekday(), start="09:00", end="09:30")])
    store.claims[FIRST] = a_claim(FIRST)
    with pytest.raises(SlotTaken) as refusal:
        await reservations_over(store).reserve(SECOND, a_reservation_request(patient_id=OTHER))
    assert [alternative.starts_at for alternative in refusal.value.facts["alternatives"]] == [NINE + timedelta(days=7)]


async def test_a_busy_patient_gets_alternatives_at_which_the_patient_is_free(store: InMemoryCalendar) -> None:
    store.claims[FIRST] = a_claim(FIRST, doctor_id=COLLEAGUE)
    with pytest.raises(PatientBusy) as refusal:
        await reservations_over(store).reserve(SECOND, a_reservation_request())
    assert NINE not in [alternative.starts_at for alternative in refusal.value.facts["alternatives"]]


async def test_a_time_that_cannot_be_booked_is_refused_with_every_reason(store: InMemoryCalendar) -> None:
    store.known[DOCTOR] = a_doctor(active=False)
    with pytest.raises(NotBookable) as refusal:
        await reservations_over(store).reserve(FIRST, a_reservation_request(starts_at=NINE + timedelta(minutes=5)))
    assert [reason["code"] for reason in refusal.value.facts["reasons"]] == ["doctor_inactive", "off_grid"]
    assert store.claims == {}


async def test_reception_books_with_a_doctor_who_accepts_no_new_patients(store: InMemoryCalendar) -> None:
    store.known[DOCTOR] = a_doctor(accepting_patients=False)
    with pytest.raises(NotBookable):
        await reservations_over(store).reserve(FIRST, a_reservation_request())
    await reservations_over(store).reserve(FIRST, a_reservation_request(by=Actor(id=OTHER, role=Role.RECEPTION)))


async def test_a_request_that_lost_a_race_is_run_again_and_refused_because_of_the_winner(store: InMemoryCalendar) -> None:
    store.concurrent_claims = [a_claim(SECOND, patient_id=OTHER)]
    with pytest.raises(SlotTaken):
        await reservations_over(store).reserve(FIRST, a_reservation_request())


async def test_a_claim_that_changed_after_it_was_read_is_read_again(store: InMemoryCalendar) -> None:
    store.concurrent_claims = [replace(a_claim(FIRST, revision=2), live=False)]
    with pytest.raises(ReservationReleased):
        await reservations_over(store).reserve(FIRST, a_reservation_request())


async def test_an_unknown_doctor_is_refused(store: InMemoryCalendar) -> None:
    with pytest.raises(UnknownDoctor):
        await reservations_over(store).reserve(FIRST, a_reservation_request(doctor_id=UUID(int=1)))


async def test_a_claim_is_visible_to_its_patient_its_doctor_and_staff(store: InMemoryCalendar) -> None:
    claim = a_claim(FIRST)
    people = {PATIENT: Role.PATIENT, DOCTOR: Role.DOCTOR, OTHER: Role.PATIENT, UUID(int=9): Role.RECEPTION}
    viewers = [person for person, role in people.items() if claim.is_visible_to(Actor(id=person, role=role).caller)]
    assert viewers == [PATIENT, DOCTOR, UUID(int=9)]
