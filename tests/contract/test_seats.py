"""Seats when the terms of the service change after they were taken: granted seats stay, and no more seats than the capacity are granted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.ports import LostRace
from scheduling_svc.usecases.slots import SlotQuery
from shared.contracts.grains import grain_of
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import SlotTaken
from tests.contract.grain_table import open_store
from tests.contract.interleaving import repeat_until_decided
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, a_doctor, a_reservation_request, a_service

QUARTER = timedelta(minutes=15)
SOMEONE, STAFF = Caller(UUID(int=0xB), Role.PATIENT), Caller(UUID(int=0xC), Role.ADMIN)


SMALLER_TERMS = ServiceTerms.from_rules(a_service(capacity=3, slot_step_minutes=15))


@pytest.fixture
async def use_cases(sql_url: str) -> AsyncIterator[CalendarUseCases]:
    """A group of five who meet for half an hour."""
    async with open_store(sql_url) as store:
        yield await CalendarUseCases.open(store, NOON, [a_doctor()], [a_service(capacity=5, slot_step_minutes=15)])


def patient(number: int) -> UUID:
    return UUID(int=10_000 + number)


async def take_seats(use_cases: CalendarUseCases, *numbers: int) -> list[BaseException]:
    """Request seats all at once and return the errors of those who got none."""

    async def take_seat(number: int) -> None:
        request = a_reservation_request(patient_id=patient(number))
        await repeat_until_decided(lambda: use_cases.reservations.reserve(UUID(int=number), request))

    results = await asyncio.gather(*map(take_seat, numbers), return_exceptions=True)
    return [result for result in results if isinstance(result, BaseException)]


async def change_terms(use_cases: CalendarUseCases, **terms: Any) -> None:
    """Change the terms of the service."""
    async with use_cases.store.begin() as tx:
        await tx.save_service_rules(a_service(**{"capacity": 5, "slot_step_minutes": 15, "version": 2} | terms))


async def list_free_starts(use_cases: CalendarUseCases, ends: datetime, exclude: int | None = None) -> dict[datetime, int]:
    """Return the free starts from nine on with the number of free places, as staff see them."""
    query = SlotQuery(CHECKUP, begins=NINE, ends=ends, exclude_appointment_id=UUID(int=exclude) if exclude else None)
    return {slot.starts_at: slot.remaining for slot in (await use_cases.slots.list_free(query, STAFF)).items}


async def list_reasons(use_cases: CalendarUseCases, starts_at: datetime = NINE) -> list[str]:
    return [reason.code for reason in (await use_cases.slots.explain(CHECKUP, DOCTOR, starts_at, SOMEONE)).reasons]


async def list_seats(use_cases: CalendarUseCases) -> Sequence[UUID]:
    return [claim.id for claim in await use_cases.store.list_live_claims(100, None)]


@pytest.mark.parametrize("terms", [{"duration_minutes": 45}, {"duration_minutes": 15}, {"buffer_after_minutes": 5}], ids=str)
async def test_a_session_that_was_made_under_other_terms_grants_no_more_seats(use_cases: CalendarUseCases, terms: dict[str, int]) -> None:
    assert await take_seats(use_cases, 1, 2) == []
    await change_terms(use_cases, **terms)
    assert NINE not in await list_free_starts(use_cases, NINE + QUARTER)
    assert await list_reasons(use_cases) == ["taken"]
    assert [type(error) for error in await take_seats(use_cases, 3)] == [SlotTaken]
    assert await list_seats(use_cases) == [UUID(int=1), UUID(int=2)]


async def test_a_seat_that_was_granted_under_other_terms_is_not_written(use_cases: CalendarUseCases) -> None:
    assert await take_seats(use_cases, 1) == []
    other = ServiceTerms.from_rules(a_service(capacity=5, buffer_before_minutes=10))
    late = Claim(UUID(int=2), 1, BookedSlot.of(patient(2), other, DOCTOR, grain_of(NINE)))
    with pytest.raises(LostRace):
        async with use_cases.store.begin() as tx:
            await tx.save_claim(late, None, capacity=5)
    assert await list_seats(use_cases) == [UUID(int=1)]


@pytest.fixture
async def smaller_group(use_cases: CalendarUseCases) -> CalendarUseCases:
    """A group lowered from five seats to three, whose first three patients have left."""
    for number in range(1, 6):
        assert await take_seats(use_cases, number) == []
    await change_terms(use_cases, capacity=3)
    for number in (1, 2, 3):
        assert await list_reasons(use_cases) == ["taken"]
        await use_cases.reservations.release(UUID(int=number), 1)
    return use_cases


async def test_a_lowered_capacity_counts_patients_and_not_seat_numbers(smaller_group: CalendarUseCases) -> None:
    claims = [Claim(UUID(int=number), 1, BookedSlot.of(patient(number), SMALLER_TERMS, DOCTOR, grain_of(NINE))) for number in (11, 12)]
    async with smaller_group.store.begin() as tx:
        await tx.save_claim(claims[0], None, capacity=3)
    with pytest.raises(LostRace):
        async with smaller_group.store.begin() as tx:
            await tx.save_claim(claims[1], None, capacity=3)
    assert await list_seats(smaller_group) == [UUID(int=number) for number in (4, 5, 11)]


async def test_of_many_who_race_for_the_last_seat_one_succeeds(smaller_group: CalendarUseCases) -> None:
    assert await list_free_starts(smaller_group, NINE + QUARTER) == {NINE: 1}
    refusals = await take_seats(smaller_group, *range(11, 21))
    assert [type(error) for error in refusals] == [SlotTaken] * 9
    assert len(await list_seats(smaller_group)) == 3


async def test_the_only_patient_of_a_former_group_may_move_over_its_time(use_cases: CalendarUseCases) -> None:
    assert await take_seats(use_cases, 1) == []
    await use_cases.holds.hold(UUID(int=9), HoldRequest(CHECKUP, DOCTOR, NINE + 12 * QUARTER), SOMEONE)
    await change_terms(use_cases, capacity=1)
    assert NINE not in await list_free_starts(use_cases, NINE + QUARTER)
    for quarters in (4, 20):
        assert [
            NINE + QUARTER * number in await list_free_starts(use_cases, NINE + quarters * QUARTER, exclude=1) for number in (0, 1, 2)
        ] == [True] * 3
    await use_cases.reservations.reserve(UUID(int=1), a_reservation_request(patient_id=patient(1), starts_at=NINE + QUARTER, revision=2))
    with pytest.raises(SlotTaken):
        await use_cases.reservations.reserve(UUID(int=2), a_reservation_request(patient_id=patient(2), starts_at=NINE + 2 * QUARTER))
    await use_cases.reservations.reserve(UUID(int=2), a_reservation_request(patient_id=patient(2), starts_at=NINE + 3 * QUARTER))


async def test_a_seat_that_was_taken_in_a_group_is_kept_when_its_time_is_confirmed_under_other_terms(use_cases: CalendarUseCases) -> None:
    assert await take_seats(use_cases, 1, 2) == []
    await change_terms(use_cases, capacity=1)
    async with use_cases.store.read() as calendar:
        before = await calendar.find_claim(UUID(int=1))
    await use_cases.reservations.reserve(UUID(int=1), a_reservation_request(patient_id=patient(1), revision=2))
    async with use_cases.store.read() as calendar:
        after = await calendar.find_claim(UUID(int=1))
    assert before is not None
    assert after == replace(before, revision=2)
