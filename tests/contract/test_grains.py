"""One suite for the store of claims, on every SQL back end: the primary key forbids overlaps, whatever was decided before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.busy_times import BookedTime
from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import SqlCalendarStore
from shared.contracts.grains import instant_of
from shared.kit.paging import BadCursor
from shared.kit.retry import retry_transaction
from tests.contract.grain_table import a_claim, list_claimed_grains, list_lanes, open_store
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NOON, a_doctor, a_service

DAY = range(0, 288)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    async with open_store(sql_url) as store:
        yield store


async def save(store: SqlCalendarStore, claim: Claim) -> None:
    async with store.read() as calendar:
        previous = await calendar.find_claim(claim.appointment_id)
    async with store.begin() as tx:
        await tx.save_claim(claim, previous)


async def test_a_claim_takes_the_doctor_with_buffers_and_the_patient_without(store: SqlCalendarStore) -> None:
    claim = a_claim(1, doctor=8, patient=9, start=100, length=3, buffer=2)
    await save(store, claim)
    doctor, patient = UUID(int=8), UUID(int=9)
    taken = {(doctor, grain) for grain in range(98, 105)} | {(patient, grain) for grain in range(100, 103)}
    assert await list_claimed_grains(store) == dict.fromkeys(taken, claim.appointment_id)
    async with store.read() as calendar:
        assert await calendar.find_claim(claim.appointment_id) == claim


@pytest.mark.parametrize("start", [95, 100, 105])
async def test_a_second_claim_on_any_grain_of_the_doctor_changes_nothing(store: SqlCalendarStore, start: int) -> None:
    await save(store, a_claim(1, doctor=8, patient=9, start=100))
    before = await list_claimed_grains(store)
    with pytest.raises(LostRace):
        await save(store, a_claim(2, doctor=8, patient=7, start=start))
    assert await list_claimed_grains(store) == before
    async with store.read() as calendar:
        assert await calendar.find_claim(UUID(int=2)) is None


async def test_a_second_claim_on_the_patient_changes_nothing(store: SqlCalendarStore) -> None:
    await save(store, a_claim(1, doctor=8, patient=9, start=100))
    with pytest.raises(LostRace):
        await save(store, a_claim(2, doctor=6, patient=9, start=103))


async def test_the_buffers_of_two_claims_add_up(store: SqlCalendarStore) -> None:
    await save(store, a_claim(1, doctor=8, patient=9, start=100, length=6, buffer=1))
    with pytest.raises(LostRace):
        await save(store, a_claim(2, doctor=8, patient=7, start=107, buffer=1))
    await save(store, a_claim(2, doctor=8, patient=7, start=108, buffer=1))


async def test_claims_that_touch_do_not_conflict(store: SqlCalendarStore) -> None:
    for number, start in enumerate((100, 106, 94), start=1):
        await save(store, a_claim(number, doctor=8, patient=9, start=start))


async def test_a_claim_moves_over_its_own_time(store: SqlCalendarStore) -> None:
    await save(store, a_claim(1, doctor=8, patient=9, start=100))
    moved = a_claim(1, doctor=8, patient=9, start=103, revision=2)
    await save(store, moved)
    assert {grain for _, grain in await list_claimed_grains(store)} == set(range(103, 109))
    await save(store, a_claim(2, doctor=8, patient=7, start=97))


async def test_a_move_to_a_taken_time_changes_nothing(store: SqlCalendarStore) -> None:
    first = a_claim(1, doctor=8, patient=9, start=100)
    await save(store, first)
    await save(store, a_claim(2, doctor=8, patient=7, start=106))
    before = await list_claimed_grains(store)
    with pytest.raises(LostRace):
        await save(store, a_claim(1, doctor=8, patient=9, start=103, revision=2))
    assert await list_claimed_grains(store) == before
    async with store.read() as calendar:
        assert await calendar.find_claim(first.appointment_id) == first


async def test_a_move_to_a_colleague_frees_the_first_doctor(store: SqlCalendarStore) -> None:
    await save(store, a_claim(1, doctor=8, patient=9, start=100))
    await save(store, a_claim(1, doctor=6, patient=9, start=100, revision=2))
    assert {person for person, _ in await list_claimed_grains(store)} == {UUID(int=6), UUID(int=9)}


async def test_a_released_claim_keeps_its_row_and_no_grain(store: SqlCalendarStore) -> None:
    claim = a_claim(1, doctor=8, patient=9, start=100)
    await save(store, claim)
    await save(store, claim.release(2))
    assert await list_claimed_grains(store) == {}
    async with store.read() as calendar:
        assert await calendar.find_claim(claim.appointment_id) == replace(claim, revision=2, live=False)
    await save(store, a_claim(2, doctor=8, patient=7, start=100))


async def test_the_release_of_a_claim_that_was_never_made_is_stored(store: SqlCalendarStore) -> None:
    released = Claim(UUID(int=1), 4, None, live=False)
    await save(store, released)
    async with store.read() as calendar:
        assert await calendar.find_claim(released.appointment_id) == released


async def test_a_released_claim_can_be_made_again(store: SqlCalendarStore) -> None:
    claim = a_claim(1, doctor=8, patient=9, start=100)
    for state in (claim, claim.release(2), replace(claim, revision=3)):
        await save(store, state)
    assert len(await list_claimed_grains(store)) == 12


async def test_the_same_claim_cannot_be_inserted_twice(store: SqlCalendarStore) -> None:
    claim = a_claim(1, doctor=8, patient=9, start=100)
    await save(store, claim)
    with pytest.raises(LostRace):
        async with store.begin() as tx:
            await tx.save_claim(claim, None)


@pytest.mark.parametrize("change", [{"revision": 2}, {"live": False}])
async def test_a_claim_that_has_changed_since_it_was_read_is_not_overwritten(store: SqlCalendarStore, change: dict[str, Any]) -> None:
    seen = a_claim(1, doctor=8, patient=9, start=100)
    await save(store, seen)
    await save(store, replace(seen, **change))
    before = await list_claimed_grains(store)
    with pytest.raises(LostRace):
        async with store.begin() as tx:
            await tx.save_claim(a_claim(1, doctor=8, patient=9, start=200, revision=3), seen)
    assert await list_claimed_grains(store) == before


async def test_a_claim_whose_rows_move_down_during_its_release_leaves_no_rows(mysql_url: str) -> None:
    ordinary, overlapping = a_claim(1, 1, 11, 100), replace(a_claim(2, 1, 12, 100), may_overlap=True)
    async with open_store(mysql_url) as store:

        async def release() -> None:
            async with store.begin() as tx:
                await tx.save_claim(overlapping.release(2), overlapping)

        for claim in (ordinary, overlapping):
            await save(store, claim)
        async with store.begin() as tx:
            await tx.save_claim(ordinary.release(2), ordinary)
            releasing = asyncio.ensure_future(retry_transaction(release))
            await asyncio.wait([releasing], timeout=0.3)
        await releasing
        assert await list_lanes(store) == {}


async def test_the_time_of_a_doctor_who_is_the_patient_is_taken_once(store: SqlCalendarStore) -> None:
    claim = a_claim(1, doctor=8, patient=8, start=100, buffer=1)
    await save(store, claim)
    assert len(await list_claimed_grains(store)) == 8
    await save(store, claim.release(2))
    assert await list_claimed_grains(store) == {}


async def test_booked_times_are_those_of_a_person_as_doctor_and_as_patient_within_the_span(store: SqlCalendarStore) -> None:
    doctor, patient = UUID(int=8), UUID(int=9)
    for claim in (
        a_claim(1, doctor=8, patient=9, start=100, buffer=1),
        a_claim(2, doctor=9, patient=8, start=120, buffer=1),
        a_claim(3, doctor=8, patient=9, start=500, buffer=1),
        a_claim(4, doctor=7, patient=6, start=100),
    ):
        await save(store, claim)
    service = ServiceTerms.from_rules(a_service())

    async def booked_times(within: range, viewer: Viewer, *doctors: UUID) -> dict[UUID, list[BookedTime]]:
        async with store.read() as calendar:
            busy = await calendar.list_busy_times(service, doctors, within, viewer)
        return {person: sorted(busy_times.booked) for person, busy_times in busy.items()}

    busy = await booked_times(DAY, Viewer(NOON, patient_id=patient), doctor)
    assert busy[doctor] == [BookedTime(100, 106, 99, 107), BookedTime(120, 126, 120, 126)]
    assert busy[patient] == [BookedTime(100, 106, 100, 106), BookedTime(120, 126, 119, 127)]
    assert await booked_times(DAY, Viewer(NOON, exclude_appointment_id=UUID(int=1)), doctor) == {doctor: [BookedTime(120, 126, 120, 126)]}
    assert await booked_times(range(107, 119), Viewer(NOON), doctor) == {}
    assert await booked_times(range(106, 107), Viewer(NOON), doctor) == {doctor: [BookedTime(100, 106, 99, 107)]}
    assert await booked_times(DAY, Viewer(NOON)) == {}


async def test_live_claims_are_listed_in_pages(store: SqlCalendarStore) -> None:
    for number in range(1, 6):
        await save(store, a_claim(number, doctor=8, patient=9, start=100 * number))
    await save(store, a_claim(3, doctor=8, patient=9, start=300).release(2))
    first = await store.list_live_claims(2, None)
    assert first[-1].slot is not None
    ends_at = instant_of(first[-1].slot.visit.stop)
    rest = await store.list_live_claims(10, (ends_at.isoformat(), str(first[-1].appointment_id)))
    assert [claim.appointment_id.int for claim in first + rest] == [1, 2, 4, 5]
    ahead = await store.list_live_claims(10, None, ends_after=ends_at)
    assert [claim.appointment_id.int for claim in ahead] == [4, 5], "a claim that ends at the instant is over"
    with pytest.raises(BadCursor):
        await store.list_live_claims(2, ("nonsense",))


async def test_the_newest_rules_are_kept_in_any_order(store: SqlCalendarStore) -> None:
    for version, services in ((2, [CHECKUP]), (1, []), (3, []), (2, [CHECKUP])):
        async with store.begin() as tx:
            await tx.save_doctor_rules(a_doctor(version=version, services=services))
            await tx.save_service_rules(a_service(version=version, duration_minutes=version * 10))
    async with store.read() as calendar:
        (doctor,) = await calendar.list_doctors([DOCTOR])
        service = await calendar.find_service(CHECKUP)
        assert doctor.services == frozenset()
        assert service is not None
        assert service.duration == 6
        assert await calendar.list_doctors_offering(CHECKUP) == []


async def test_doctors_are_found_by_what_they_offer(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.save_doctor_rules(a_doctor())
        await tx.save_doctor_rules(a_doctor(id=COLLEAGUE, services=[UUID(int=1), CHECKUP, CHECKUP]))
    async with store.read() as calendar:
        assert {doctor.id for doctor in await calendar.list_doctors_offering(CHECKUP)} == {DOCTOR, COLLEAGUE}
        assert {doctor.id for doctor in await calendar.list_doctors_offering(UUID(int=1))} == {COLLEAGUE}
        assert await calendar.find_service(UUID(int=99)) is None


async def test_that_all_rules_were_fetched_is_recorded_once(store: SqlCalendarStore) -> None:
    assert not await store.has_all_rules()
    for _ in range(2):
        async with store.begin() as tx:
            await tx.mark_all_rules_saved()
    assert await store.has_all_rules()


async def test_a_claim_that_has_begun_meanwhile_has_changed(store: SqlCalendarStore) -> None:
    claim = a_claim(1, doctor=8, patient=9, start=100)
    await save(store, claim)
    await save(store, replace(claim, begun=True))
    with pytest.raises(LostRace):
        async with store.begin() as tx:
            await tx.save_claim(replace(claim, revision=claim.revision + 1), claim)
