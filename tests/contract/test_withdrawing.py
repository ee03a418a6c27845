"""Of several who withdraw a leave at the same time one succeeds, and its time reopens once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import pytest

from scheduling_svc.domain.leaves import Leave
from scheduling_svc.domain.refusals import NoSuchLeave
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import SqlCalendarStore, SqlCalendarTransaction
from scheduling_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.identity import Caller, Role, Service
from shared.kit.retry import retry_transaction
from tests.contract.grain_table import list_lanes, open_store
from tests.contract.interleaving import Action, RunOnce, do_nothing
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import DOCTOR, NINE, NOON, a_doctor, a_service

LEAVE = Leave(UUID(int=7), DOCTOR, NINE, NINE.replace(hour=12), "Away", DOCTOR, NOON)


class LeaveReadTransaction(SqlCalendarTransaction):
    """A transaction that calls `on_leave_read` after it has read the leave."""

    on_leave_read: Action

    async def find_leave(self, leave_id: UUID) -> Leave | None:
        leave = await super().find_leave(leave_id)
        await self.on_leave_read()
        return leave


@dataclass(frozen=True)
class LeaveReadStore(SqlCalendarStore):
    on_leave_read: Action = do_nothing

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlCalendarTransaction]:
        async with self.database.write() as connection:
            tx = LeaveReadTransaction(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            tx.on_leave_read = self.on_leave_read
            yield tx


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    """A store with a leave."""
    async with open_store(sql_url) as store:
        use_cases = await CalendarUseCases.open(store, NOON, [a_doctor()], [a_service()])
        await use_cases.leaves.take(LEAVE, Caller(DOCTOR, Role.DOCTOR))
        yield store


def withdraw(store: SqlCalendarStore) -> Awaitable[None]:
    return CalendarUseCases(store, NOON).leaves.withdraw(DOCTOR, LEAVE.id, by=Caller(DOCTOR, Role.DOCTOR))


async def has_withdrawn(action: Awaitable[object]) -> bool:
    """Return True if there was a leave to withdraw."""
    try:
        await action
    except NoSuchLeave:
        return False
    return True


async def test_of_two_withdrawals_that_have_both_read_the_leave_one_succeeds(store: SqlCalendarStore) -> None:
    other_withdrawal = RunOnce(partial(withdraw, store), seconds=0.3)
    own_withdrawal = retry_transaction(partial(withdraw, LeaveReadStore(store.database, store.now, on_leave_read=other_withdrawal)))
    assert sorted([await has_withdrawn(own_withdrawal), await has_withdrawn(other_withdrawal.result())]) == [False, True]
    assert await list_lanes(store) == {}


async def test_a_deleted_leave_cannot_be_deleted_again(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        await tx.delete_leave(LEAVE)
    with pytest.raises(LostRace):
        async with store.begin() as tx:
            await tx.delete_leave(LEAVE)
