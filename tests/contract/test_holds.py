"""Holds in the store, on every SQL back end: what was looked at may have changed since, and then nothing is done about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.terms import Service
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository import SqlStore
from shared.contracts.grains import grain_of
from tests.contract.grains import held, opened
from tests.unit.scheduling.builders import DOCTOR, NINE, NOON, PATIENT, a_service

LOOKED_AT = Hold.of(UUID(int=1), PATIENT, Service.of(a_service()), DOCTOR, grain_of(NINE), NOON)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlStore]:
    async with opened(sql_url) as store:
        yield store


async def keep(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.keep(LOOKED_AT)


async def extend(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.extend(LOOKED_AT.extend(NOON))


async def drop(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.drop(LOOKED_AT)


async def found(store: SqlStore) -> Hold | None:
    async with store.look() as look:
        return await look.hold(LOOKED_AT.id)


async def test_a_hold_that_was_extended_since_it_was_looked_at_is_not_dropped(store: SqlStore) -> None:
    await keep(store)
    await extend(store)
    with pytest.raises(Overtaken):
        await drop(store)
    assert await found(store) == LOOKED_AT.extend(NOON)
    assert await held(store) == {(DOCTOR, grain): LOOKED_AT.id for grain in LOOKED_AT.span}


async def test_a_hold_that_was_dropped_since_it_was_looked_at_is_not_extended(store: SqlStore) -> None:
    await keep(store)
    await drop(store)
    with pytest.raises(Overtaken):
        await extend(store)
    assert await found(store) == replace(LOOKED_AT, live=False)
    assert await held(store) == {}


async def test_a_hold_is_extended_once_by_two_who_looked_at_it(store: SqlStore) -> None:
    await keep(store)
    await extend(store)
    with pytest.raises(Overtaken):
        await extend(store)
