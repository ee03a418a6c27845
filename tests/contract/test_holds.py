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

LOOKED_AT = Hold.of(UUID(int=1), PATIENT, ServiceTerms.from_rules(a_service()), DOCTOR, grain_of(NINE), NOON)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    async with open_store(sql_url) as store:
        yield store


async def keep(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.insert_hold(LOOKED_AT)


async def extend(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.extend_hold(LOOKED_AT.extend(NOON))


async def drop(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.drop_hold(LOOKED_AT)


async def found(store: SqlCalendarStore) -> Hold | None:
    async with store.read() as calendar:
        return await calendar.find_hold(LOOKED_AT.id)


async def test_a_hold_that_was_extended_since_it_was_looked_at_is_not_dropped(store: SqlCalendarStore) -> None:
    await keep(store)
    await extend(store)
    with pytest.raises(LostRace):
        await drop(store)
    assert await found(store) == LOOKED_AT.extend(NOON)
    assert await list_claimed_grains(store) == {(DOCTOR, grain): LOOKED_AT.id for grain in LOOKED_AT.span}


async def test_a_hold_that_was_dropped_since_it_was_looked_at_is_not_extended(store: SqlCalendarStore) -> None:
    await keep(store)
    await drop(store)
    with pytest.raises(LostRace):
        await extend(store)
    assert await found(store) == replace(LOOKED_AT, live=False)
    assert await list_claimed_grains(store) == {}


async def test_a_hold_is_extended_once_by_two_who_looked_at_it(store: SqlCalendarStore) -> None:
    await keep(store)
    await extend(store)
    with pytest.raises(LostRace):
        await extend(store)
