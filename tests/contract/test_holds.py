"""Holds in the store, on every SQL back end: a hold that has changed since it was read is not changed again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import SqlCalendarStore
from shared.contracts.grains import grain_of
from tests.contract.grain_table import list_claimed_grains, open_store
from tests.unit.scheduling.builders import DOCTOR, NINE, NOON, PATIENT, a_service

HOLD = Hold.of(UUID(int=1), PATIENT, ServiceTerms.from_rules(a_service()), DOCTOR, grain_of(NINE), NOON)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    async with open_store(sql_url) as store:
        yield store


async def insert(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.insert_hold(HOLD)


async def extend(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.extend_hold(HOLD.extend(NOON))


async def drop(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.drop_hold(HOLD)


async def find(store: SqlCalendarStore) -> Hold | None:
    async with store.read() as calendar:
        return await calendar.find_hold(HOLD.id)


async def test_a_hold_that_was_extended_since_it_was_read_is_not_dropped(store: SqlCalendarStore) -> None:
    await insert(store)
    await extend(store)
    with pytest.raises(LostRace):
        await drop(store)
    assert await find(store) == HOLD.extend(NOON)
    assert await list_claimed_grains(store) == {(DOCTOR, grain): HOLD.id for grain in HOLD.span}


async def test_a_hold_that_was_dropped_since_it_was_read_is_not_extended(store: SqlCalendarStore) -> None:
    await insert(store)
    await drop(store)
    with pytest.raises(LostRace):
        await extend(store)
    assert await find(store) == replace(HOLD, live=False)
    assert await list_claimed_grains(store) == {}


async def test_of_two_extensions_of_the_same_hold_one_succeeds(store: SqlCalendarStore) -> None:
    await insert(store)
    await extend(store)
    with pytest.raises(LostRace):
        await extend(store)
