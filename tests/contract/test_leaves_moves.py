"""To which times a leave may move appointments, and about how many it may decide, on every SQL back end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.domain.refusals import AffectedChanged, TooManyAffected
from shared.contracts.grains import instant_of
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import SlotHeld, SlotTaken
from tests.contract.grain_table import a_claim, open_store
from tests.contract.leave_scenarios import (
    HALF,
    Time,
    appointment_id,
    book,
    cancel,
    keep,
    list_slots_by_number,
    move,
    patient,
    preview,
    take,
)
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_service

GROUP = UUID(int=0x61)
QUARTER = timedelta(minutes=15)
TEN = NINE + 2 * HALF
MIDDLE: Time = (TEN + QUARTER, TEN + 3 * QUARTER)  # the end of a visit at ten, and the begin of one at half past
ANY_ORDER = pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["as they come", "the other way round"])


@pytest.fixture
async def use_cases(sql_url: str) -> AsyncIterator[CalendarUseCases]:
    """Visits may start every quarter of an hour; those of the group have two patients."""
    services = [a_service(slot_step_minutes=15), a_service(id=GROUP, capacity=2)]
    doctors = [a_doctor(id=doctor_id, services=[CHECKUP, GROUP]) for doctor_id in (DOCTOR, COLLEAGUE)]
    async with open_store(sql_url) as store:
        yield await CalendarUseCases.open(store, NOON, doctors, services)


async def starts(use_cases: CalendarUseCases) -> dict[int, object]:
    return {number: (slot.doctor_id, instant_of(slot.visit.start)) for number, slot in (await list_slots_by_number(use_cases)).items()}


@ANY_ORDER
async def test_two_appointments_of_one_patient_change_their_times(use_cases: CalendarUseCases, order: Sequence[int]) -> None:
    for number, start in ((1, NINE), (2, TEN)):
        await book(use_cases, number, start, patient_id=patient(1))
    moves = [move(1, TEN), move(2, NINE)]
    await take(use_cases, *(moves[item] for item in order))
    assert await starts(use_cases) == {1: (COLLEAGUE, TEN), 2: (COLLEAGUE, NINE)}


@ANY_ORDER
async def test_two_patients_exchange_the_sides_of_a_leave(use_cases: CalendarUseCases, order: Sequence[int]) -> None:
    for number, start in ((1, TEN), (2, TEN + HALF)):
        await book(use_cases, number, start)
    moves = [move(1, TEN + 3 * QUARTER, DOCTOR), move(2, TEN - QUARTER, DOCTOR)]
    await take(use_cases, *(moves[item] for item in order), time=MIDDLE)
    assert await starts(use_cases) == {1: (DOCTOR, TEN + 3 * QUARTER), 2: (DOCTOR, TEN - QUARTER)}


@ANY_ORDER
async def test_an_appointment_moves_to_the_time_of_another_that_is_moved(use_cases: CalendarUseCases, order: Sequence[int]) -> None:
    for number, start in ((1, TEN), (2, TEN + HALF)):
        await book(use_cases, number, start)
    moves = [move(1, TEN), move(2, TEN - QUARTER, DOCTOR)]
    await take(use_cases, *(moves[item] for item in order), time=MIDDLE)
    assert await starts(use_cases) == {1: (COLLEAGUE, TEN), 2: (DOCTOR, TEN - QUARTER)}


@ANY_ORDER
async def test_an_appointment_moves_to_the_time_of_another_that_is_cancelled(use_cases: CalendarUseCases, order: Sequence[int]) -> None:
    for number, start in ((1, TEN), (2, TEN + HALF)):
        await book(use_cases, number, start)
    outcomes = [cancel(1), move(2, TEN - QUARTER, DOCTOR)]
    await take(use_cases, *(outcomes[item] for item in order), time=MIDDLE)
    assert await starts(use_cases) == {2: (DOCTOR, TEN - QUARTER)}


async def test_an_appointment_cannot_move_to_the_time_of_one_that_is_kept(use_cases: CalendarUseCases) -> None:
    for number, start in ((1, TEN), (2, TEN + HALF)):
        await book(use_cases, number, start)
    with pytest.raises(SlotTaken) as refused:
        await take(use_cases, keep(1), move(2, TEN - QUARTER, DOCTOR), time=MIDDLE)
    assert refused.value.facts["appointment_id"] == appointment_id(2)
    assert await starts(use_cases) == {1: (DOCTOR, TEN), 2: (DOCTOR, TEN + HALF)}


async def test_two_appointments_cannot_move_to_the_same_time(use_cases: CalendarUseCases) -> None:
    for number, start in ((1, NINE), (2, TEN)):
        await book(use_cases, number, start)
    with pytest.raises(SlotTaken) as refused:
        await take(use_cases, move(1, TEN), move(2, TEN))
    assert refused.value.facts["appointment_id"] == appointment_id(2)
    assert await starts(use_cases) == {1: (DOCTOR, NINE), 2: (DOCTOR, TEN)}


async def test_an_appointment_cannot_move_to_a_held_time_until_the_hold_ends(use_cases: CalendarUseCases) -> None:
    await book(use_cases, 1)
    hold = await use_cases.holds.hold(appointment_id(50), HoldRequest(CHECKUP, COLLEAGUE, NINE), Caller(patient(50), Role.PATIENT))
    with pytest.raises(SlotHeld):
        await take(use_cases, move(1, NINE))
    use_cases.now = hold.expires_at
    await take(use_cases, move(1, NINE))
    assert await starts(use_cases) == {1: (COLLEAGUE, NINE)}
    async with use_cases.store.read() as calendar:
        assert await calendar.find_hold(hold.id) == replace(hold, live=False)


async def test_a_leave_moves_one_patient_to_the_last_seat_of_a_group_and_no_second(use_cases: CalendarUseCases) -> None:
    await book(use_cases, 1, service_id=GROUP)
    await book(use_cases, 2, service_id=GROUP)
    await book(use_cases, 3, service_id=GROUP, doctor_id=COLLEAGUE)
    with pytest.raises(SlotTaken) as refused:
        await take(use_cases, move(1, NINE), move(2, NINE))
    assert refused.value.facts["appointment_id"] == appointment_id(2)
    await take(use_cases, move(1, NINE), cancel(2))
    assert await starts(use_cases) == {1: (COLLEAGUE, NINE), 3: (COLLEAGUE, NINE)}
    with pytest.raises(SlotTaken):
        await book(use_cases, 4, service_id=GROUP, doctor_id=COLLEAGUE)


async def test_a_leave_decides_about_two_hundred_appointments_and_no_more(tmp_path: Path) -> None:
    time = (NINE, NINE + timedelta(hours=17))
    first = int(NINE.timestamp()) // 300
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}") as store:
        use_cases = await CalendarUseCases.open(store, NOON, [a_doctor()], [])
        async with store.begin() as tx:
            for number in range(1, 202):
                await tx.save_claim(a_claim(number, DOCTOR.int, 10_000 + number, first + number, length=1), None)
        with pytest.raises(TooManyAffected):
            await preview(use_cases, time=time)
        with pytest.raises(TooManyAffected):
            await take(use_cases, *map(keep, range(1, 201)), time=time)
        assert await use_cases.store.list_leaves(DOCTOR, 1, None) == []
        await use_cases.reservations.release(appointment_id(201), 2)
        assert len(await preview(use_cases, time=time)) == 200
        with pytest.raises(AffectedChanged):
            await take(use_cases, *map(keep, range(1, 200)), time=time)
        assert len((await take(use_cases, *map(keep, range(1, 201)), time=time)).outcomes) == 200
