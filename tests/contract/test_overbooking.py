"""Overbooked time on every SQL back end: lanes, holds, groups, leaves, and races of several overbookings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.domain.leaves import BlockKind, TimeBlock
from scheduling_svc.repository import SqlCalendarStore
from shared.contracts.appointments import OverrideCode
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NotBookable, PatientBusy, SlotTaken
from tests.contract.grain_table import list_lanes, open_store
from tests.contract.test_lanes import Action, book, open_use_cases, run_together
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, PATIENT, a_reservation_request

STAFF = Actor(id=UUID(int=0xEC), role=Role.RECEPTION)
NINE_GRAIN = grain_of(NINE)
LEAVE = TimeBlock(UUID(int=0x1E), BlockKind.LEAVE, DOCTOR, range(NINE_GRAIN, NINE_GRAIN + 12))


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    async with open_store(sql_url) as store:
        yield store


def overbook(use_cases: CalendarUseCases, number: int, code: OverrideCode = OverrideCode.OVERBOOK, **changes: Any) -> Action:
    return book(use_cases, number, override=code, by=STAFF, **changes)


async def lanes_of_doctor(store: SqlCalendarStore) -> set[tuple[tuple[int, UUID], ...]]:
    """Return who has which lane, once for all grains of the doctor that are the same."""
    return {tuple(sorted(lanes.items())) for (person, _), lanes in (await list_lanes(store)).items() if person == DOCTOR}


async def test_each_of_several_racing_overbookings_gets_a_lane_of_its_own_and_lane_0_stays_taken(store: SqlCalendarStore) -> None:
    use_cases = await open_use_cases(store)
    await book(use_cases, 1)()
    assert await run_together(overbook(use_cases, number) for number in range(2, 10)) == []
    (lanes,) = await lanes_of_doctor(store)
    assert (lanes[0], [lane for lane, _ in lanes], len({claim for _, claim in lanes})) == ((0, UUID(int=1)), list(range(9)), 9)
    await use_cases.reservations.release(UUID(int=1), 1)
    (lanes,) = await lanes_of_doctor(store)
    assert min(lane for lane, _ in lanes) == 0
    assert len(lanes) == 8
    assert [type(error) for error in await run_together([book(use_cases, 99)])] == [SlotTaken]
    releases = [partial(use_cases.reservations.release, UUID(int=number), 1) for number in range(2, 10)]
    assert await run_together(releases) == []
    assert await list_lanes(store) == {}


async def test_of_racing_overbookings_of_one_patient_one_succeeds(store: SqlCalendarStore) -> None:
    use_cases = await open_use_cases(store, doctors=8)
    doctors = [UUID(int=DOCTOR.int + number) for number in range(8)]
    assert await run_together(book(use_cases, 100 + number, doctor_id=doctor) for number, doctor in enumerate(doctors)) == []
    requests = [a_reservation_request(doctor_id=doctor, override=OverrideCode.OVERBOOK, by=STAFF) for doctor in doctors]
    racing = [partial(use_cases.reservations.reserve, UUID(int=number), request) for number, request in enumerate(requests, start=1)]
    assert [type(error) for error in await run_together(racing)] == [PatientBusy] * 7
    assert {tuple(lanes) for (person, _), lanes in (await list_lanes(store)).items() if person == PATIENT} == {(0,)}


async def test_overbookings_race_with_bookings_holds_and_releases_and_every_lane_is_freed_in_the_end(store: SqlCalendarStore) -> None:
    use_cases = await open_use_cases(store)
    owners = [Caller(UUID(int=500 + number), Role.PATIENT) for number in range(6)]
    holds = [
        partial(use_cases.holds.hold, UUID(int=600 + number), HoldRequest(CHECKUP, DOCTOR, NINE), owner)
        for number, owner in enumerate(owners)
    ]
    bookings = [book(use_cases, number) for number in range(1, 7)]
    overbookings = [overbook(use_cases, number) for number in range(11, 17)]
    await run_together(action for group in zip(holds, overbookings, bookings, strict=True) for action in group)
    assert all(0 in lanes for lanes in (await list_lanes(store)).values())
    for number in (*range(1, 7), *range(11, 17)):
        await use_cases.reservations.release(UUID(int=number), 1)
    for number, owner in enumerate(owners):
        hold = await _find_hold(store, UUID(int=600 + number))
        if hold:
            await use_cases.holds.drop(hold, owner)
    assert await list_lanes(store) == {}


async def _find_hold(store: SqlCalendarStore, hold_id: UUID) -> UUID | None:
    async with store.read() as calendar:
        return hold_id if await calendar.find_hold(hold_id) else None


async def test_the_time_of_an_overbooked_hold_passes_to_its_owner_in_lane_0(store: SqlCalendarStore) -> None:
    use_cases, owner = await open_use_cases(store), Caller(UUID(int=10_001), Role.PATIENT)
    await use_cases.holds.hold(UUID(int=0x77), HoldRequest(CHECKUP, DOCTOR, NINE), owner)
    await overbook(use_cases, 2)()
    again = await use_cases.holds.hold(UUID(int=0x78), HoldRequest(CHECKUP, DOCTOR, NINE), owner)
    assert await lanes_of_doctor(store) == {((0, again.id), (1, UUID(int=2)))}
    await book(use_cases, 1, hold_id=again.id, by=Actor.from_caller(owner))()
    assert await lanes_of_doctor(store) == {((0, UUID(int=1)), (1, UUID(int=2)))}


async def test_a_seat_that_was_held_stays_with_its_owner_when_the_group_is_overbooked_by_another_visit(store: SqlCalendarStore) -> None:
    use_cases, owner = await open_use_cases(store, capacity=2), Caller(UUID(int=10_001), Role.PATIENT)
    await use_cases.holds.hold(UUID(int=0x77), HoldRequest(CHECKUP, DOCTOR, NINE), owner)
    session_id = next(iter((await list_lanes(store)).values()))[0]
    await book(use_cases, 1, hold_id=UUID(int=0x77), by=Actor.from_caller(owner))()
    assert await lanes_of_doctor(store) == {((0, session_id),)}
    await use_cases.reservations.release(UUID(int=1), 1)
    assert await list_lanes(store) == {}


async def test_a_full_group_stays_full_and_a_group_can_be_opened_over_another_visit(store: SqlCalendarStore) -> None:
    use_cases = await open_use_cases(store, capacity=2, buffer_after_minutes=15)
    assert await run_together(book(use_cases, number) for number in (1, 2)) == []
    assert [type(error) for error in await run_together([overbook(use_cases, 3)])] == [SlotTaken]
    await overbook(use_cases, 4, quarters=1)()
    assert len(await lanes_of_doctor(store)) == 3
    assert await run_together([overbook(use_cases, 5, quarters=1)]) == []
    for number in (1, 2, 4, 5):
        await use_cases.reservations.release(UUID(int=number), 1)
    assert await list_lanes(store) == {}


async def test_a_visit_can_be_booked_into_a_leave_but_only_one_at_a_time(store: SqlCalendarStore) -> None:
    use_cases = await open_use_cases(store)
    async with store.begin() as tx:
        await tx.insert_block(LEAVE)
    assert [type(error) for error in await run_together([overbook(use_cases, 1)])] == [NotBookable]
    errors = await run_together(overbook(use_cases, number, OverrideCode.ON_LEAVE) for number in range(1, 7))
    assert [type(error) for error in errors] == [SlotTaken] * 5
    (booked,) = await use_cases.store.list_live_claims(10, None)
    assert ((0, LEAVE.id), (1, booked.id)) in await lanes_of_doctor(store)
    async with store.begin() as tx:
        await tx.delete_block(LEAVE)
    assert await lanes_of_doctor(store) == {((0, booked.id),)}


async def test_a_group_in_a_leave_takes_patients_only_by_an_override(store: SqlCalendarStore) -> None:
    use_cases = await open_use_cases(store, capacity=3)
    async with store.begin() as tx:
        await tx.insert_block(LEAVE)
    assert await run_together(overbook(use_cases, number, OverrideCode.ON_LEAVE) for number in (1, 2)) == []
    assert [type(error) for error in await run_together([book(use_cases, 3)])] == [NotBookable]


async def test_an_overbooked_claim_is_read_back_with_the_rule_that_was_lifted(store: SqlCalendarStore) -> None:
    use_cases = await open_use_cases(store)
    await book(use_cases, 1)()
    await overbook(use_cases, 2)()
    claims = {claim.id.int: claim.override for claim in await use_cases.store.list_live_claims(10, None)}
    assert claims == {1: None, 2: OverrideCode.OVERBOOK}
