"""Lanes, seats, caps and holds under random and racing changes: the tables agree with a ledger."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
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
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NotBookable, SlotTaken
from tests.contract.grain_table import Lanes, a_claim, list_claimed_grains, list_lanes, open_store
from tests.contract.interleaving import repeat_until_decided
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_reservation_request, a_service

DOCTORS, PATIENTS, HOUR = range(1, 3), range(11, 31), range(100, 124)
QUARTER = timedelta(minutes=15)
Action = Callable[[], Awaitable[object]]


@dataclass
class Ledger:
    """What the table should contain: the lanes of every grain."""

    lanes: Lanes = field(default_factory=dict)

    def take(self, claim_id: UUID, resource_spans: Iterable[ResourceSpan], *, may_overlap: bool) -> bool:
        """Return True if the grains can be taken: by an ordinary claim only if all are free, by an overlapping claim_id in the lowest free
        lanes."""
        keys = keys_of(resource_spans)
        if not may_overlap and any(key in self.lanes for key in keys):
            return False
        for key in keys:
            taken = self.lanes.setdefault(key, {})
            taken[next(lane for lane in range(len(taken) + 1) if lane not in taken)] = claim_id
        return True

    def free(self, claim_id: UUID, resource_spans: Iterable[ResourceSpan]) -> None:
        """Free the grains of a claim; the lowest of the remaining lanes moves down to lane 0."""
        for key in keys_of(resource_spans):
            stay = {lane: other for lane, other in self.lanes.pop(key).items() if other != claim_id}
            if stay and 0 not in stay:
                stay[0] = stay.pop(min(stay))
            if stay:
                self.lanes[key] = stay


@dataclass
class Calendar:
    """The store, and what should stand in it."""

    store: SqlCalendarStore
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
        """Lane 0 is taken where any lane is, ordinary claims have lane 0, and every grain belongs to the right claims."""
        found = await list_lanes(self.store)
        assert all(0 in taken for taken in found.values())
        standing: list[Claim | TimeBlock] = [*self.claims.values(), *self.blocks.values()]
        expected = Counter((*key, claim.id) for claim in standing for key in keys_of(claim.resource_spans))
        assert expected == Counter((*key, claim_id) for key, taken in found.items() for claim_id in taken.values())
        assert all(
            found[key][0] == claim.id for claim in self.claims.values() if not claim.may_overlap for key in keys_of(claim.resource_spans)
        )


def keys_of(resource_spans: Iterable[ResourceSpan]) -> list[tuple[UUID, int]]:
    return [(resource_id, grain) for resource_id, span in resource_spans for grain in span]


def claim_by(chance: random.Random, number: int, *, may_overlap: bool) -> Claim:
    who, start = (chance.choice(DOCTORS), chance.choice(PATIENTS)), chance.choice(HOUR)
    return replace(a_claim(number, *who, start, length=chance.randrange(1, 7), buffer=chance.randrange(3)), may_overlap=may_overlap)


def leave(number: int, doctor: int, span: range) -> TimeBlock:
    return TimeBlock(UUID(int=number), BlockKind.LEAVE, UUID(int=doctor), span)


def block_by(chance: random.Random, number: int) -> TimeBlock:
    start = chance.choice(HOUR)
    return leave(number, chance.choice(DOCTORS), range(start, start + chance.randrange(1, 16)))


async def run_together(actions: Iterable[Action]) -> list[BaseException]:
    """Run all actions at once and return the errors of those that failed."""
    results = await asyncio.gather(*(repeat_until_decided(action) for action in actions), return_exceptions=True)
    return [result for result in results if isinstance(result, BaseException)]


@pytest.fixture
async def calendar(sql_url: str) -> AsyncIterator[Calendar]:
    async with open_store(sql_url) as store:
        yield Calendar(store)


async def step(calendar: Calendar, ledger: Ledger, chance: random.Random, number: int) -> None:
    """Make one random change in the ledger and in the table."""
    kind = chance.choice(["book", "book", "overbook", "overbook", "block", "release", "release"])
    standing: list[Claim | TimeBlock] = [*calendar.claims.values(), *calendar.blocks.values()]
    if kind == "release" and standing:
        released = chance.choice(standing)
        ledger.free(released.id, released.resource_spans)
        await (calendar.cancel(released) if isinstance(released, Claim) else calendar.delete_block(released))
    elif kind == "block":
        block = block_by(chance, number)
        ledger.take(block.id, block.resource_spans, may_overlap=True)
        await calendar.block(block)
    else:
        claim = claim_by(chance, number, may_overlap=kind == "overbook")
        if ledger.take(claim.id, claim.resource_spans, may_overlap=claim.may_overlap):
            await calendar.book(claim)
        else:
            with pytest.raises(SlotTaken):
                await calendar.book(claim)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_table_says_what_a_ledger_says_and_is_empty_in_the_end(calendar: Calendar, seed: int) -> None:
    chance, ledger = random.Random(seed), Ledger()
    for number in range(1000, 1080):
        await step(calendar, ledger, chance, number)
        assert await list_lanes(calendar.store) == ledger.lanes
    await calendar.check_consistency()
    for release in calendar.releases():
        await release()
    assert await list_lanes(calendar.store) == {}


def arrivals(calendar: Calendar, chance: random.Random, first: int) -> list[Action]:
    """Return 30 overlapping claims, 30 ordinary claims and 10 leaves."""
    claims = [claim_by(chance, first + number, may_overlap=number < 30) for number in range(60)]
    blocks = [block_by(chance, first + 100 + number) for number in range(10)]
    return [*(partial(calendar.book, claim) for claim in claims), *(partial(calendar.block, block) for block in blocks)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_racing_overbooks_leaves_and_releases_keep_lane_0_and_leave_nothing_behind(calendar: Calendar, seed: int) -> None:
    chance = random.Random(seed)
    for first in (1000, 2000, 3000):
        actions = calendar.releases()[::2] + arrivals(calendar, chance, first)
        failed = await run_together(chance.sample(actions, len(actions)))
        assert {type(error) for error in failed} == {SlotTaken}
        await calendar.check_consistency()
    assert len(calendar.claims) + len(calendar.blocks) >= 50
    assert await run_together(calendar.releases()) == []
    assert await list_lanes(calendar.store) == {}


async def test_a_kept_appointment_that_is_cancelled_does_not_reopen_the_leave_and_a_withdrawn_leave_does(calendar: Calendar) -> None:
    kept, away, new = a_claim(1, 1, 11, 100), leave(2, 1, range(95, 110)), a_claim(3, 1, 12, 100)
    await calendar.book(kept)
    await calendar.block(away)
    await calendar.cancel(kept)
    with pytest.raises(SlotTaken):
        await calendar.book(new)
    await calendar.delete_block(away)
    await calendar.book(new)
    await calendar.check_consistency()


async def test_nobody_slips_under_a_leave_when_kept_appointments_end(calendar: Calendar) -> None:
    kept = [a_claim(number, 1, 10 + number, 100 + 6 * number) for number in range(1, 11)]
    for claim in kept:
        await calendar.book(claim)
    away = leave(100, 1, range(100, 180))
    await calendar.block(away)
    intruders = [a_claim(200 + number, 1, 50 + number, 100 + number) for number in range(1, 61)]
    failed = await run_together(
        [*(partial(calendar.cancel, claim) for claim in kept), *(partial(calendar.book, claim) for claim in intruders)]
    )
    assert len(failed) == len(intruders)
    assert await list_lanes(calendar.store) == {key: {0: away.id} for key in keys_of(away.resource_spans)}


async def test_a_leave_and_the_bookings_that_race_with_it_both_stand_or_come_too_late(calendar: Calendar) -> None:
    away = leave(100, 1, range(100, 180))
    racing = [a_claim(number, 1, 10 + number, 94 + number) for number in range(1, 61)]
    await run_together([*(partial(calendar.book, claim) for claim in racing), partial(calendar.block, away)])
    assert away.id in calendar.blocks
    await calendar.check_consistency()
    late = [partial(calendar.book, claim) for claim in racing if claim.id not in calendar.claims]
    assert len(await run_together(late)) == len(late)


# The same through the decision: seats, caps, holds, and any doctor


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
        doctors = [one for (person, _), one in (await list_claimed_grains(store)).items() if person == DOCTOR]
        assert doctors == [claim.slot.session_id for claim in group if claim.slot][:3]
        assert await run_together(release(use_cases, group)) == []
        assert await list_lanes(store) == {}
        assert await run_together([book(use_cases, 99)]) == []


async def test_patients_join_while_others_leave_and_no_seat_is_lost_or_sold_twice(sql_url: str) -> None:
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


async def test_a_cap_is_reached_and_not_passed_by_patients_who_race_for_different_times(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store, daily_cap=5)
        refusals = await run_together(book(use_cases, number, quarters=number) for number in range(1, 31))
        expected = {reason["code"] for error in refusals if isinstance(error, NotBookable) for reason in error.facts["reasons"]}
        assert (len(await list_claims(use_cases)), len(refusals), expected) == (5, 25, {"daily_cap_reached"})


async def test_of_an_owners_racing_holds_for_a_service_one_stands(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        use_cases, owner = await open_use_cases(store), Caller(PATIENT, Role.PATIENT)
        requests = [HoldRequest(CHECKUP, DOCTOR, NINE + number % 25 * QUARTER) for number in range(40)]
        racing = [partial(use_cases.holds.hold, UUID(int=number), request, owner) for number, request in enumerate(requests, start=1)]
        assert await run_together(racing) == []
        async with store.begin() as tx:
            (hold,) = await tx.list_holds_of_owner(PATIENT)
        assert await list_claimed_grains(store) == {(DOCTOR, grain): hold.id for grain in hold.span}


@pytest.mark.parametrize(("doctors", "patients"), [(2, 2), (3, 10)])
async def test_any_doctor_is_found_as_long_as_one_is_free(sql_url: str, doctors: int, patients: int) -> None:
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store, doctors=doctors)
        refusals = await run_together(book(use_cases, number, doctor_id=None) for number in range(1, patients + 1))
        seen = [claim.slot.doctor_id for claim in await list_claims(use_cases) if claim.slot]
        assert (len(seen), len(set(seen)), len(refusals)) == (doctors, doctors, patients - doctors)
        assert {type(error) for error in refusals} <= {SlotTaken}
