"""Closures that are settled while something changes, or while a process dies: in the end the right doctors are blocked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.leaves import Closure
from scheduling_svc.domain.terms import DoctorTerms
from scheduling_svc.repository import SqlCalendarStore, SqlCalendarTransaction
from scheduling_svc.repository.claims import to_row
from scheduling_svc.repository.tables import CLAIMS, INFRASTRUCTURE
from scheduling_svc.usecases.closures import PATIENCE_SECONDS, Closures, apply_closures
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.events import DoctorChanged
from shared.contracts.grains import grain_of
from shared.contracts.identity import Service
from shared.kit.deadlines import deadline
from tests.contract.grain_table import list_lanes, open_store
from tests.contract.interleaving import Action, Once, do_nothing
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor
from tests.unit.scheduling.fakes import FakeRuleOwner

NEWCOMER = UUID(int=0xD3)
HOUR = timedelta(hours=1)
NORTH = Closure(UUID(int=0xC1), NINE, NINE + HOUR, "Flooded", "North", UUID(int=0xAD), NOON)
EVERYWHERE = Closure(UUID(int=0xC1), NINE, NINE + HOUR, "Holiday", None, UUID(int=0xAD), NOON)


class Reading(SqlCalendarTransaction):
    """A transaction that calls the actions of its store when it has read."""

    watched: Watched

    async def list_doctors(self, ids: Collection[UUID]) -> list[DoctorTerms]:
        found = await super().list_doctors(ids)
        await (self.watched.met if self.watched.whom in ids else do_nothing)()
        return found

    async def list_open_closures(self) -> list[Closure]:
        found = await super().list_open_closures()
        await self.watched.listed()
        return found


@dataclass(frozen=True)
class Watched(SqlCalendarStore):
    """A store with actions that happen when a transaction has read a certain doctor or the closures, when a page of doctors was read, and
    when there are no more."""

    whom: UUID = DOCTOR
    met: Action = do_nothing
    listed: Action = do_nothing
    paged: Action = do_nothing
    ended: Action = do_nothing

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlCalendarTransaction]:
        async with self.database.write() as connection:
            tx = Reading(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            tx.watched = self
            yield tx

    async def list_all_doctors(self, limit: int, after: UUID | None) -> list[DoctorTerms]:
        found = await super().list_all_doctors(limit, after)
        await (self.paged if found else self.ended)()
        return found


@dataclass(frozen=True)
class Hurried(SqlCalendarStore):
    """A store of a caller whose time is over when the closure is written, and which lists no doctors until then."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlCalendarTransaction]:
        async with super().begin() as tx:
            yield tx
        deadline.set(time.monotonic())

    async def list_all_doctors(self, limit: int, after: UUID | None) -> list[DoctorTerms]:
        if deadline.get() is not None:
            deadline.set(None)
            await asyncio.Event().wait()
        return await super().list_all_doctors(limit, after)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    """A store with a doctor in the north and one in the south."""
    async with open_store(sql_url) as store:
        await learn(store, DOCTOR, "North")
        await learn(store, COLLEAGUE, "South")
        yield store


async def learn(store: SqlCalendarStore, doctor: UUID, location: str, version: int = 1) -> None:
    rules = a_doctor(id=doctor, location=location, version=version)
    event = DoctorChanged(id=UUID(int=doctor.int + 1000 * version), occurred_at=NOON, doctor_id=doctor, version=version, rules=rules)
    await RuleCache(store, FakeRuleOwner(), apply_closures).save_doctor(event)


async def save(store: SqlCalendarStore, closure: Closure) -> None:
    """Do what a process does about a closure before it dies."""
    async with store.begin() as tx:
        await tx.save_closure(closure)


def closures(store: SqlCalendarStore) -> Closures:
    return Closures(store, lambda: NOON)


async def blocked(store: SqlCalendarStore) -> set[UUID]:
    """Return the doctors whose time is taken; they must be those with a block."""
    who = {who for who, _ in await list_lanes(store)}
    entries = {doctor: await store.list_entries(doctor, NORTH.span, 9, None) for doctor in (DOCTOR, COLLEAGUE, NEWCOMER)}
    assert who == {doctor for doctor, found in entries.items() if found}
    return who


@dataclass(frozen=True)
class Change:
    """What happens to which doctor, and who is blocked afterwards."""

    whom: UUID
    action: Callable[[SqlCalendarStore], Awaitable[object]]
    expected: set[UUID]


CHANGES = {
    "one_goes_south": Change(DOCTOR, lambda store: learn(store, DOCTOR, "South", 2), set()),
    "one_comes_north": Change(COLLEAGUE, lambda store: learn(store, COLLEAGUE, "North", 2), {DOCTOR, COLLEAGUE}),
    "it_is_lifted": Change(DOCTOR, lambda store: closures(store).lift(NORTH.id), set()),
}
changes = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def watched(store: SqlCalendarStore, **meanwhile: Any) -> Watched:
    return Watched(store.database, store.now, **meanwhile)


@changes
async def test_what_changes_while_a_doctor_is_settled_counts(store: SqlCalendarStore, change: Change) -> None:
    await save(store, NORTH)
    meanwhile = Once(partial(change.action, store), seconds=0.3)
    await closures(watched(store, whom=change.whom, met=meanwhile)).settle_pending()
    await meanwhile.result()
    assert await blocked(store) == change.expected
    assert await closures(store).settle_pending() == 0


@changes
async def test_what_changed_after_doctors_were_listed_counts(store: SqlCalendarStore, change: Change) -> None:
    await save(store, NORTH)
    await closures(watched(store, paged=Once(partial(change.action, store)))).settle_pending()
    assert await blocked(store) == change.expected
    assert await closures(store).settle_pending() == 0


async def test_who_comes_while_the_clinic_closes_is_blocked_too(store: SqlCalendarStore) -> None:
    closing = Once(partial(closures(store).close, EVERYWHERE), seconds=0.3)
    await learn(watched(store, listed=closing), NEWCOMER, "North")
    await closing.result()
    assert await blocked(store) == {DOCTOR, COLLEAGUE, NEWCOMER}


async def test_a_closure_that_is_lifted_when_all_were_settled_is_not_done(store: SqlCalendarStore) -> None:
    lifted = Once(partial(save, store, NORTH.lift()))
    closed = await closures(watched(store, ended=lifted)).close(NORTH)
    assert (closed.id, await blocked(store)) == (NORTH.id, {DOCTOR})
    assert await closures(store).settle_pending() == 1
    assert await blocked(store) == set()


@pytest.mark.parametrize("done", [(), (DOCTOR,), (DOCTOR, COLLEAGUE)], ids=len)
async def test_what_a_dead_process_began_is_finished(store: SqlCalendarStore, done: tuple[UUID, ...]) -> None:
    await save(store, EVERYWHERE)
    async with store.begin() as tx:
        for doctor in done:
            await tx.insert_block(EVERYWHERE.block_of(doctor))
    assert [await closures(store).settle_pending() for _ in range(2)] == [1, 0]
    assert await blocked(store) == {DOCTOR, COLLEAGUE}
    await save(store, EVERYWHERE.lift())
    async with store.begin() as tx:
        for doctor in done:
            await tx.delete_block(EVERYWHERE.block_of(doctor))
    assert [await closures(store).settle_pending() for _ in range(2)] == [1, 0]
    assert await blocked(store) == set()


async def test_a_closure_that_is_over_is_lifted_to_the_end_too(store: SqlCalendarStore) -> None:
    await closures(store).close(EVERYWHERE)
    async with store.read() as calendar:
        settled = await calendar.find_closure(EVERYWHERE.id)
    assert settled is not None
    assert settled.settled
    await save(store, settled.lift())
    late = SqlCalendarStore(store.database, lambda: EVERYWHERE.ends_at + HOUR)
    assert [await closures(late).settle_pending() for _ in range(2)] == [1, 0]
    assert await blocked(store) == set()


async def test_who_cannot_wait_is_told_that_it_is_not_done_and_the_job_does_it(store: SqlCalendarStore) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS - 1):
        closed = await closures(Hurried(store.database, store.now)).close(EVERYWHERE)
    assert (closed.settled, await blocked(store)) == (False, set())
    assert await closures(store).settle_pending() == 1
    assert await blocked(store) == {DOCTOR, COLLEAGUE}


@pytest.mark.parametrize(("doctors", "visits", "complete"), [(1, 1000, True), (1, 1002, False), (101, 1001, False)])
async def test_the_first_thousand_are_told_and_whether_that_is_all(tmp_path: Path, doctors: int, visits: int, complete: bool) -> None:
    """Doctors are read a hundred at a time, and the first appointments belong to a doctor of the second page."""
    start, ids = grain_of(NINE), [UUID(int=0xD000 + number) for number in range(doctors)]
    places = [(number % doctors, start + number % 11) for number in range(visits)]
    claims = [visit(number, ids[which], start if which == 100 else at + 1) for number, (which, at) in enumerate(places)]
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}") as store:
        async with store.begin() as tx:
            for doctor in ids:
                await tx.save_doctor_rules(a_doctor(id=doctor))
            await tx.connection.execute(insert(CLAIMS), [to_row(claim) | {"changed_at": NOON} for claim in claims])
        closed = await closures(Hurried(store.database, store.now)).close(EVERYWHERE)
    expected = sorted(claims, key=lambda claim: (claim.slot.visit.start if claim.slot else 0, claim.id))[:1000]
    assert [item.appointment_id for item in closed.affected] == [claim.id for claim in expected]
    assert closed.complete is complete


def visit(number: int, doctor: UUID, start: int) -> Claim:
    """Return a claim of one grain."""
    span = range(start, start + 1)
    return Claim(UUID(int=10_000 + number), 1, BookedSlot(CHECKUP, doctor, UUID(int=20_000 + number), span, span))
