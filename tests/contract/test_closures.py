"""Closures that are settled while something changes, or by whom a process dies: in the end the right doctors are blocked."""

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

from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.domain.leaves import Closure
from scheduling_svc.domain.terms import Doctor
from scheduling_svc.repository import SqlStore, Transaction
from scheduling_svc.repository.claims import to_row
from scheduling_svc.repository.tables import CLAIMS, INFRASTRUCTURE
from scheduling_svc.usecases.closures import PATIENCE_SECONDS, Closures, concern
from scheduling_svc.usecases.rulebook import Rulebook
from shared.contracts.events import DoctorChanged
from shared.contracts.grains import grain_of
from shared.contracts.identity import Service
from shared.kit.deadlines import deadline
from tests.contract.grains import lanes, opened
from tests.contract.meanwhile import Deed, Once, nothing
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor
from tests.unit.scheduling.fakes import Owner

NEWCOMER = UUID(int=0xD3)
HOUR = timedelta(hours=1)
NORTH = Closure(UUID(int=0xC1), NINE, NINE + HOUR, "Flooded", "North", UUID(int=0xAD), NOON)
EVERYWHERE = Closure(UUID(int=0xC1), NINE, NINE + HOUR, "Holiday", None, UUID(int=0xAD), NOON)


class Reading(Transaction):
    """As its store is watched."""

    watched: Watched

    async def doctors(self, ids: Collection[UUID]) -> list[Doctor]:
        found = await super().doctors(ids)
        await (self.watched.met if self.watched.whom in ids else nothing)()
        return found

    async def closures(self) -> list[Closure]:
        found = await super().closures()
        await self.watched.listed()
        return found


@dataclass(frozen=True)
class Watched(SqlStore):
    """A store in which something happens meanwhile: when a transaction has read someone in particular, or the closures; when a page of
    doctors was read, and when there are no more."""

    whom: UUID = DOCTOR
    met: Deed = nothing
    listed: Deed = nothing
    paged: Deed = nothing
    ended: Deed = nothing

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with self.database.write() as connection:
            tx = Reading(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            tx.watched = self
            yield tx

    async def doctors_after(self, limit: int, after: UUID | None) -> list[Doctor]:
        found = await super().doctors_after(limit, after)
        await (self.paged if found else self.ended)()
        return found


@dataclass(frozen=True)
class Hurried(SqlStore):
    """Of one who can wait no longer when the closure was written, and has no doctors until they gave up."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with super().begin() as tx:
            yield tx
        deadline.set(time.monotonic())

    async def doctors_after(self, limit: int, after: UUID | None) -> list[Doctor]:
        if deadline.get() is not None:
            deadline.set(None)
            await asyncio.Event().wait()
        return await super().doctors_after(limit, after)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlStore]:
    """Of a doctor in the north and one in the south."""
    async with opened(sql_url) as store:
        await learn(store, DOCTOR, "North")
        await learn(store, COLLEAGUE, "South")
        yield store


async def learn(store: SqlStore, doctor: UUID, location: str, version: int = 1) -> None:
    rules = a_doctor(id=doctor, location=location, version=version)
    event = DoctorChanged(id=UUID(int=doctor.int + 1000 * version), occurred_at=NOON, doctor_id=doctor, version=version, rules=rules)
    await Rulebook(store, Owner(), concern).doctor_changed(event)


async def save(store: SqlStore, closure: Closure) -> None:
    """All that a process does about a closure before it dies."""
    async with store.begin() as tx:
        await tx.save_closure(closure)


def closures(store: SqlStore) -> Closures:
    return Closures(store, lambda: NOON)


async def blocked(store: SqlStore) -> set[UUID]:
    """The doctors whose time is taken, who must be those in whose calendar it stands."""
    who = {who for who, _ in await lanes(store)}
    entries = {doctor: await store.entries(doctor, NORTH.span, 9, None) for doctor in (DOCTOR, COLLEAGUE, NEWCOMER)}
    assert who == {doctor for doctor, found in entries.items() if found}
    return who


@dataclass(frozen=True)
class Change:
    """What happens to whom, and who is blocked then."""

    whom: UUID
    deed: Callable[[SqlStore], Awaitable[object]]
    expected: set[UUID]


CHANGES = {
    "one_goes_south": Change(DOCTOR, lambda store: learn(store, DOCTOR, "South", 2), set()),
    "one_comes_north": Change(COLLEAGUE, lambda store: learn(store, COLLEAGUE, "North", 2), {DOCTOR, COLLEAGUE}),
    "it_is_lifted": Change(DOCTOR, lambda store: closures(store).lift(NORTH.id), set()),
}
changes = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def watched(store: SqlStore, **meanwhile: Any) -> Watched:
    return Watched(store.database, store.now, **meanwhile)


@changes
async def test_what_changes_while_a_doctor_is_settled_counts(store: SqlStore, change: Change) -> None:
    await save(store, NORTH)
    meanwhile = Once(partial(change.deed, store), moment=0.3)
    await closures(watched(store, whom=change.whom, met=meanwhile)).settle()
    await meanwhile.done()
    assert await blocked(store) == change.expected
    assert await closures(store).settle() == 0


@changes
async def test_what_changed_after_doctors_were_listed_counts(store: SqlStore, change: Change) -> None:
    await save(store, NORTH)
    await closures(watched(store, paged=Once(partial(change.deed, store)))).settle()
    assert await blocked(store) == change.expected
    assert await closures(store).settle() == 0


async def test_who_comes_while_the_clinic_closes_is_blocked_too(store: SqlStore) -> None:
    closing = Once(partial(closures(store).close, EVERYWHERE), moment=0.3)
    await learn(watched(store, listed=closing), NEWCOMER, "North")
    await closing.done()
    assert await blocked(store) == {DOCTOR, COLLEAGUE, NEWCOMER}


async def test_a_closure_that_is_lifted_when_all_were_settled_is_not_done(store: SqlStore) -> None:
    lifted = Once(partial(save, store, NORTH.lift()))
    closed = await closures(watched(store, ended=lifted)).close(NORTH)
    assert (closed.id, await blocked(store)) == (NORTH.id, {DOCTOR})
    assert await closures(store).settle() == 1
    assert await blocked(store) == set()


@pytest.mark.parametrize("done", [(), (DOCTOR,), (DOCTOR, COLLEAGUE)], ids=len)
async def test_what_a_dead_process_began_is_finished(store: SqlStore, done: tuple[UUID, ...]) -> None:
    await save(store, EVERYWHERE)
    async with store.begin() as tx:
        for doctor in done:
            await tx.block(EVERYWHERE.block_of(doctor))
    assert [await closures(store).settle() for _ in range(2)] == [1, 0]
    assert await blocked(store) == {DOCTOR, COLLEAGUE}
    await save(store, EVERYWHERE.lift())
    async with store.begin() as tx:
        for doctor in done:
            await tx.unblock(EVERYWHERE.block_of(doctor))
    assert [await closures(store).settle() for _ in range(2)] == [1, 0]
    assert await blocked(store) == set()


async def test_a_closure_that_is_over_is_lifted_to_the_end_too(store: SqlStore) -> None:
    await closures(store).close(EVERYWHERE)
    async with store.look() as look:
        settled = await look.closure(EVERYWHERE.id)
    assert settled is not None
    assert settled.settled
    await save(store, settled.lift())
    late = SqlStore(store.database, lambda: EVERYWHERE.ends_at + HOUR)
    assert [await closures(late).settle() for _ in range(2)] == [1, 0]
    assert await blocked(store) == set()


async def test_who_cannot_wait_is_told_that_it_is_not_done_and_the_job_does_it(store: SqlStore) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS - 1):
        closed = await closures(Hurried(store.database, store.now)).close(EVERYWHERE)
    assert (closed.settled, await blocked(store)) == (False, set())
    assert await closures(store).settle() == 1
    assert await blocked(store) == {DOCTOR, COLLEAGUE}


@pytest.mark.parametrize(("doctors", "visits", "complete"), [(1, 1000, True), (1, 1002, False), (101, 1001, False)])
async def test_the_first_thousand_are_told_and_whether_that_is_all(tmp_path: Path, doctors: int, visits: int, complete: bool) -> None:
    """Doctors are looked at a hundred at a time; the one after that has the first appointments."""
    start, ids = grain_of(NINE), [UUID(int=0xD000 + number) for number in range(doctors)]
    places = [(number % doctors, start + number % 11) for number in range(visits)]
    claims = [visit(number, ids[which], start if which == 100 else at + 1) for number, (which, at) in enumerate(places)]
    async with opened(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}") as store:
        async with store.begin() as tx:
            for doctor in ids:
                await tx.learn_doctor(a_doctor(id=doctor))
            await tx.connection.execute(insert(CLAIMS), [to_row(claim) | {"changed_at": NOON} for claim in claims])
        closed = await closures(Hurried(store.database, store.now)).close(EVERYWHERE)
    expected = sorted(claims, key=lambda claim: (claim.place.visit.start if claim.place else 0, claim.id))[:1000]
    assert [each.appointment_id for each in closed.affected] == [claim.id for claim in expected]
    assert closed.complete is complete


def visit(number: int, doctor: UUID, start: int) -> Claim:
    """Of one grain."""
    span = range(start, start + 1)
    return Claim(UUID(int=10_000 + number), 1, Place(CHECKUP, doctor, UUID(int=20_000 + number), span, span))
