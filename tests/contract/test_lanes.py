"""Lanes, seats, caps and holds under random and racing changes: the tables contain the expected rows."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import Claim, ResourceSpan
from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.domain.leaves import BlockKind, TimeBlock
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import SqlCalendarStore
from shared.contracts.appointments import OverrideCode
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NotBookable, SlotTaken
from tests.contract.grain_table import Lanes, a_claim, list_claimed_grains, list_lanes, open_store
from tests.contract.interleaving import repeat_until_decided
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_reservation_request, a_service

DOCTORS, PATIENTS, HOUR = range(1, 3), range(11, 31), range(100, 124)
PATIENT_IDS = [UUID(int=number) for number in PATIENTS]
QUARTER = timedelta(minutes=15)
Action = Callable[[], Awaitable[object]]


@dataclass
class ExpectedLanes:
    """What the table should contain: the lanes of every grain."""

    lanes: Lanes = field(default_factory=dict)

    def take(self, claim_id: UUID, resource_spans: Iterable[ResourceSpan], *, overlapping: Collection[UUID]) -> bool:
        """Return True if the grains can be taken: those of `overlapping` in the lowest free lanes, those of others if they are free."""
        keys = keys_of(resource_spans)
        if any(key in self.lanes for key in keys if key[0] not in overlapping):
            return False
        for key in keys:
            taken = self.lanes.setdefault(key, {})
            taken[next(lane for lane in range(len(taken) + 1) if lane not in taken)] = claim_id
        return True

    def free(self, claim_id: UUID, resource_spans: Iterable[ResourceSpan]) -> None:
        """Free the grains of a claim; the lowest of the remaining lanes moves down to lane 0."""
        for key in keys_of(resource_spans):
            remaining = {lane: other for lane, other in self.lanes.pop(key).items() if other != claim_id}
            if remaining and 0 not in remaining:
                remaining[0] = remaining.pop(min(remaining))
            if remaining:
                self.lanes[key] = remaining


@dataclass
class LaneCalendar:
    """The store, and the claims and blocks that should be in it. `merged` are the claims whose patient is another one by now."""

    store: SqlCalendarStore
    merged: set[UUID] = field(default_factory=set)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    blocks: dict[UUID, TimeBlock] = field(default_factory=dict)

    async def book(self, claim: Claim) -> None:
        """Try once to write a claim."""
        try:
            async with self.store.begin() as tx:
                await tx.save_claim(claim, None)
        except LostRace:
            raise LostRace if claim.may_overlap else SlotTaken from None
        self.claims[claim.id] = claim

    async def merge(self, claim: Claim, patient: int) -> None:
        """Make a claim that of another patient, if it is still there."""
        async with self.store.begin() as tx:
            previous = await tx.find_claim(claim.id)
            if previous is None or not previous.live:
                return
            merged = with_patient(previous, patient)
            await tx.save_claim(merged, previous)
            self.claims[claim.id] = merged  # before a cancellation, which waits for the row, can remove it
            self.merged.add(claim.id)

    async def cancel(self, claim: Claim) -> None:
        async with self.store.begin() as tx:
            await tx.save_claim(claim.release(2), await tx.find_claim(claim.id))
        self.claims.pop(claim.id, None)

    async def block(self, block: TimeBlock) -> None:
        async with self.store.begin() as tx:
            await tx.insert_block(block)
        self.blocks[block.id] = block

    async def delete_block(self, block: TimeBlock) -> None:
        async with self.store.begin() as tx:
            await tx.delete_block(block)
        self.blocks.pop(block.id, None)

    def releases(self) -> list[Action]:
        """Return the actions that release everything."""
        cancels: list[Action] = [partial(self.cancel, claim) for claim in self.claims.values()]
        return cancels + [partial(self.delete_block, block) for block in self.blocks.values()]

    async def check_consistency(self) -> None:
        """Lane 0 is taken where any lane is, ordinary claims have lane 0, and every grain belongs to the right claims.

        Of a claim whose patient is another one by now, only the doctor's time must be in lane 0; of an overbooked one, only the patient's.
        """
        lanes = await list_lanes(self.store)
        assert all(0 in taken for taken in lanes.values())
        current: list[Claim | TimeBlock] = [*self.claims.values(), *self.blocks.values()]
        expected = Counter((*key, claim.id) for claim in current for key in keys_of(claim.resource_spans))
        assert expected == Counter((*key, claim_id) for key, taken in lanes.items() for claim_id in taken.values())
        ordinary = [claim for claim in self.claims.values() if not claim.may_overlap]
        assert all(lanes[key][0] == claim.id for claim in ordinary for key in keys_of(self._spans_in_lane_0(claim)))

    def _spans_in_lane_0(self, claim: Claim) -> list[ResourceSpan]:
        assert claim.slot is not None
        shared = claim.overlapping_resource_ids | ({claim.slot.patient_id} if claim.id in self.merged else set())
        return [item for item in claim.resource_spans if item.resource_id not in shared]


def with_patient(claim: Claim, patient: int) -> Claim:
    """Return a claim after its patient was merged into another one."""
    assert claim.slot is not None
    slot = replace(claim.slot, patient_id=UUID(int=patient))
    return replace(claim, slot=slot, appointment_version=claim.appointment_version + 1)


def keys_of(resource_spans: Iterable[ResourceSpan]) -> list[tuple[UUID, int]]:
    return [(resource_id, grain) for resource_id, span in resource_spans for grain in span]


def random_claim(rng: random.Random, number: int, *, may_overlap: bool = False, override: OverrideCode | None = None) -> Claim:
    doctor_and_patient, start = (rng.choice(DOCTORS), rng.choice(PATIENTS)), rng.choice(HOUR)
    claim = a_claim(number, *doctor_and_patient, start, length=rng.randrange(1, 7), buffer=rng.randrange(3))
    return replace(claim, may_overlap=may_overlap, override=override)


def leave(number: int, doctor: int, span: range) -> TimeBlock:
    return TimeBlock(UUID(int=number), BlockKind.LEAVE, UUID(int=doctor), span)


def random_block(rng: random.Random, number: int) -> TimeBlock:
    start = rng.choice(HOUR)
    return leave(number, rng.choice(DOCTORS), range(start, start + rng.randrange(1, 16)))


async def run_together(actions: Iterable[Action]) -> list[BaseException]:
    """Run all actions at once and return the errors of those that failed."""
    results = await asyncio.gather(*(repeat_until_decided(action) for action in actions), return_exceptions=True)
    return [result for result in results if isinstance(result, BaseException)]


@pytest.fixture
async def calendar(sql_url: str) -> AsyncIterator[LaneCalendar]:
    async with open_store(sql_url) as store:
        yield LaneCalendar(store)


async def step(calendar: LaneCalendar, expected_lanes: ExpectedLanes, rng: random.Random, number: int) -> None:
    """Make one random change in the expected lanes and in the table."""
    change = rng.choice(["book", "book", "begin", "begin", "overbook", "overbook", "block", "release", "release", "merge", "merge"])
    current: list[Claim | TimeBlock] = [*calendar.claims.values(), *calendar.blocks.values()]
    if change == "merge" and calendar.claims:
        old, patient = rng.choice(list(calendar.claims.values())), rng.choice(PATIENTS)
        new = with_patient(old, patient)
        if new.slot != old.slot:
            expected_lanes.free(old.id, [item for item in old.resource_spans if item not in new.resource_spans])
            taken = [item for item in new.resource_spans if item not in old.resource_spans]
            expected_lanes.take(new.id, taken, overlapping=PATIENT_IDS)
        await calendar.merge(old, patient)
    elif change == "release" and current:
        released = rng.choice(current)
        expected_lanes.free(released.id, released.resource_spans)
        await (calendar.cancel(released) if isinstance(released, Claim) else calendar.delete_block(released))
    elif change == "block":
        block = random_block(rng, number)
        expected_lanes.take(block.id, block.resource_spans, overlapping=[block.doctor_id])
        await calendar.block(block)
    else:
        override = OverrideCode.OVERBOOK if change == "overbook" else None
        claim = random_claim(rng, number, may_overlap=change == "begin", override=override)
        if expected_lanes.take(claim.id, claim.resource_spans, overlapping=claim.overlapping_resource_ids):
            await calendar.book(claim)
        else:
            with pytest.raises(SlotTaken):
                await calendar.book(claim)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_lanes_are_the_expected_ones_and_all_are_freed_in_the_end(calendar: LaneCalendar, seed: int) -> None:
    rng, expected_lanes = random.Random(seed), ExpectedLanes()
    for number in range(1000, 1080):
        await step(calendar, expected_lanes, rng, number)
        assert await list_lanes(calendar.store) == expected_lanes.lanes
    await calendar.check_consistency()
    for release in calendar.releases():
        await release()
    assert await list_lanes(calendar.store) == {}


def new_claims_and_blocks(calendar: LaneCalendar, rng: random.Random, first: int) -> list[Action]:
    """Return 20 claims of visits that have begun, 20 overbooked ones, 30 ordinary ones, and 10 leaves."""
    begun = [random_claim(rng, first + number, may_overlap=True) for number in range(20)]
    overbooked = [random_claim(rng, first + 20 + number, override=OverrideCode.OVERBOOK) for number in range(20)]
    claims = [*begun, *overbooked, *(random_claim(rng, first + 40 + number) for number in range(30))]
    blocks = [random_block(rng, first + 100 + number) for number in range(10)]
    return [*(partial(calendar.book, claim) for claim in claims), *(partial(calendar.block, block) for block in blocks)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_racing_claims_leaves_releases_and_merges_keep_lane_0_and_all_lanes_are_freed(calendar: LaneCalendar, seed: int) -> None:
    rng = random.Random(seed)
    for first in (1000, 2000, 3000):
        merges = [partial(calendar.merge, claim, rng.choice(PATIENTS)) for claim in list(calendar.claims.values())[::2]]
        actions: list[Action] = [*calendar.releases()[::2], *new_claims_and_blocks(calendar, rng, first), *merges]
        failed = await run_together(rng.sample(actions, len(actions)))
        assert {type(error) for error in failed} == {SlotTaken}
        await calendar.check_consistency()
    assert len(calendar.claims) + len(calendar.blocks) >= 50
    assert await run_together(calendar.releases()) == []
    assert await list_lanes(calendar.store) == {}


async def test_a_kept_appointment_that_is_cancelled_does_not_reopen_the_leave_and_a_withdrawn_leave_does(calendar: LaneCalendar) -> None:
    kept, away, new = a_claim(1, 1, 11, 100), leave(2, 1, range(95, 110)), a_claim(3, 1, 12, 100)
    await calendar.book(kept)
    await calendar.block(away)
    await calendar.cancel(kept)
    with pytest.raises(SlotTaken):
        await calendar.book(new)
    await calendar.delete_block(away)
    await calendar.book(new)
    await calendar.check_consistency()


async def test_no_booking_gets_into_a_leave_when_kept_appointments_end(calendar: LaneCalendar) -> None:
    kept = [a_claim(number, 1, 10 + number, 100 + 6 * number) for number in range(1, 11)]
    for claim in kept:
        await calendar.book(claim)
    away = leave(100, 1, range(100, 180))
    await calendar.block(away)
    bookings = [a_claim(200 + number, 1, 50 + number, 100 + number) for number in range(1, 61)]
    failed = await run_together(
        [*(partial(calendar.cancel, claim) for claim in kept), *(partial(calendar.book, claim) for claim in bookings)]
    )
    assert len(failed) == len(bookings)
    assert await list_lanes(calendar.store) == {key: {0: away.id} for key in keys_of(away.resource_spans)}


async def test_bookings_that_race_with_a_leave_are_kept_or_refused(calendar: LaneCalendar) -> None:
    away = leave(100, 1, range(100, 180))
    racing = [a_claim(number, 1, 10 + number, 94 + number) for number in range(1, 61)]
    await run_together([*(partial(calendar.book, claim) for claim in racing), partial(calendar.block, away)])
    assert away.id in calendar.blocks
    await calendar.check_consistency()
    late = [partial(calendar.book, claim) for claim in racing if claim.id not in calendar.claims]
    assert len(await run_together(late)) == len(late)


# Races of use cases: seats, caps, holds, and any doctor


async def open_use_cases(store: SqlCalendarStore, *, doctors: int = 1, **terms: int) -> CalendarUseCases:
    """Return the use cases for a service that takes a quarter of an hour."""
    service = a_service(duration_minutes=15, slot_step_minutes=15, **terms)
    return await CalendarUseCases.open(store, NOON, [a_doctor(id=UUID(int=DOCTOR.int + number)) for number in range(doctors)], [service])


def book(use_cases: CalendarUseCases, number: int, *, quarters: int = 0, **changes: Any) -> Action:
    request = a_reservation_request(patient_id=UUID(int=10_000 + number), starts_at=NINE + quarters * QUARTER, **changes)
    return partial(use_cases.reservations.reserve, UUID(int=number), request)


def release(use_cases: CalendarUseCases, claims: Iterable[Claim]) -> list[Action]:
    return [partial(use_cases.reservations.release, claim.id, claim.revision) for claim in claims]


async def list_claims(use_cases: CalendarUseCases) -> list[Claim]:
    return await use_cases.store.list_live_claims(100, None)


async def test_a_group_has_as_many_patients_as_seats_and_takes_the_doctor_once(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store, capacity=8)
        refusals = await run_together(book(use_cases, number) for number in range(1, 51))
        group = await list_claims(use_cases)
        assert ({type(error) for error in refusals}, len(refusals), len(group)) == ({SlotTaken}, 42, 8)
        doctors = [claim_id for (person, _), claim_id in (await list_claimed_grains(store)).items() if person == DOCTOR]
        assert doctors == [claim.slot.session_id for claim in group if claim.slot][:3]
        assert await run_together(release(use_cases, group)) == []
        assert await list_lanes(store) == {}
        assert await run_together([book(use_cases, 99)]) == []


async def test_seats_that_are_taken_and_released_at_once_are_never_lost_or_taken_twice(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store, capacity=4)
        for first in (100, 200, 300):
            refusals = await run_together(
                [*release(use_cases, await list_claims(use_cases)), *(book(use_cases, first + number) for number in range(20))]
            )
            booked = await list_claims(use_cases)
            assert {type(error) for error in refusals} <= {SlotTaken}
            assert len(booked) + len(refusals) == 20
            assert len(booked) <= 4
            assert len(await list_claimed_grains(store)) == (3 + 3 * len(booked) if booked else 0)
        assert await run_together(release(use_cases, await list_claims(use_cases))) == []
        assert await list_lanes(store) == {}


async def test_racing_bookings_reach_a_cap_and_do_not_exceed_it(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store, daily_cap=5)
        refusals = await run_together(book(use_cases, number, quarters=number) for number in range(1, 31))
        expected = {reason["code"] for error in refusals if isinstance(error, NotBookable) for reason in error.facts["reasons"]}
        assert (len(await list_claims(use_cases)), len(refusals), expected) == (5, 25, {"daily_cap_reached"})


async def test_of_an_owners_racing_holds_for_a_service_one_succeeds(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        use_cases, owner = await open_use_cases(store), Caller(PATIENT, Role.PATIENT)
        requests = [HoldRequest(CHECKUP, DOCTOR, NINE + number % 25 * QUARTER) for number in range(40)]
        racing = [partial(use_cases.holds.hold, UUID(int=number), request, owner) for number, request in enumerate(requests, start=1)]
        assert await run_together(racing) == []
        async with store.begin() as tx:
            (hold,) = await tx.list_holds_of_owner(PATIENT)
        assert await list_claimed_grains(store) == {(DOCTOR, grain): hold.id for grain in hold.span}


@pytest.mark.parametrize(("doctors", "patients"), [(2, 2), (3, 10)])
async def test_any_doctor_is_booked_as_long_as_one_is_free(sql_url: str, doctors: int, patients: int) -> None:
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store, doctors=doctors)
        refusals = await run_together(book(use_cases, number, doctor_id=None) for number in range(1, patients + 1))
        doctor_ids = [claim.slot.doctor_id for claim in await list_claims(use_cases) if claim.slot]
        assert (len(doctor_ids), len(set(doctor_ids)), len(refusals)) == (doctors, doctors, patients - doctors)
        assert {type(error) for error in refusals} <= {SlotTaken}
