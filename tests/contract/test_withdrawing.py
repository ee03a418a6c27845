"""A leave is withdrawn by one of those who do it at the same time, and its time is open once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import pytest

from scheduling_svc.domain.leaves import Leave
from scheduling_svc.domain.refusals import NoSuchLeave
from scheduling_svc.ports import Overtaken
from scheduling_svc.repository import SqlStore, Transaction
from scheduling_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.identity import Caller, Role, Service
from shared.kit.retry import retry_transaction
from tests.contract.grains import lanes, opened
from tests.contract.meanwhile import Deed, Once, nothing
from tests.property.desk import Desk
from tests.unit.scheduling.builders import DOCTOR, NINE, NOON, a_doctor, a_service

LEAVE = Leave(UUID(int=7), DOCTOR, NINE, NINE.replace(hour=12), "Away", DOCTOR, NOON)


class Reading(Transaction):
    """`then` happens when the leave was read."""

    then: Deed

    async def leave(self, leave_id: UUID) -> Leave | None:
        found = await super().leave(leave_id)
        await self.then()
        return found


@dataclass(frozen=True)
class Watched(SqlStore):
    then: Deed = nothing

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            tx = Reading(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            tx.then = self.then
            yield tx


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlStore]:
    """In which a leave stands."""
    async with opened(sql_url) as store:
        desk = await Desk.opened(store, NOON, [a_doctor()], [a_service()])
        await desk.leaves.take(LEAVE, Caller(DOCTOR, Role.DOCTOR))
        yield store


def withdraw(store: SqlStore) -> Awaitable[None]:
    return Desk(store, NOON).leaves.withdraw(DOCTOR, LEAVE.id)


async def is_done(deed: Awaitable[object]) -> bool:
    """Whether there was a leave to withdraw."""
    try:
        await deed
    except NoSuchLeave:
        return False
    return True


async def test_of_two_who_have_both_seen_the_leave_one_withdraws_it(store: SqlStore) -> None:
    other = Once(partial(withdraw, store), moment=0.3)
    mine = retry_transaction(partial(withdraw, Watched(store.database, store.now, then=other)))
    assert sorted([await is_done(mine), await is_done(other.done())]) == [False, True]
    assert await lanes(store) == {}


async def test_a_leave_that_is_gone_cannot_be_dropped(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.drop_leave(LEAVE)
    with pytest.raises(Overtaken):
        async with store.begin() as tx:
            await tx.drop_leave(LEAVE)
