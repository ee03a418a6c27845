"""Closures that are settled while doctors or closures change, or by a job after a process has stopped: the right doctors are blocked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select, update

from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.leaves import Closure
from scheduling_svc.domain.terms import DoctorTerms
from scheduling_svc.repository import SqlCalendarStore, SqlCalendarTransaction
from scheduling_svc.repository.claims import to_row
from scheduling_svc.repository.tables import CLAIMS, DOCTORS, INFRASTRUCTURE
from scheduling_svc.usecases.closures import MAX_WAIT_SECONDS, Closures, apply_closures
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.events import DoctorChanged
from shared.contracts.grains import grain_of
from shared.contracts.identity import Caller, Role, Service
from shared.kit.deadlines import deadline
from tests.contract.grain_table import list_lanes, open_store
from tests.contract.interleaving import Action, RunOnce, do_nothing
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor
from tests.unit.scheduling.fakes import FakeRuleOwner

NEWCOMER = UUID(int=0xD3)
HOUR = timedelta(hours=1)
NORTH = Closure(UUID(int=0xC1), NINE, NINE + HOUR, "Flooded", "North", UUID(int=0xAD), NOON)
EVERYWHERE = Closure(UUID(int=0xC1), NINE, NINE + HOUR, "Holiday", None, UUID(int=0xAD), NOON)


class TransactionWithHooks(SqlCalendarTransaction):
    """A transaction that calls the hooks of its store after reads."""

    store: StoreWithHooks

    async def list_doctors(self, ids: Collection[UUID]) -> list[DoctorTerms]:
        rows = await super().list_doctors(ids)
        await (self.store.on_doctor_read if self.store.doctor_id in ids else do_nothing)()
        return rows

    async def list_open_closures(self) -> list[Closure]:
        rows = await super().list_open_closures()
        await self.store.on_closures_listed()
        return rows


@dataclass(frozen=True)
class StoreWithHooks(SqlCalendarStore):
    """A store with hooks: they are called after a transaction has read the doctor `doctor_id` or the closures, after a page of doctors was
    read, and after the last page."""

    doctor_id: UUID = DOCTOR
    on_doctor_read: Action = do_nothing
    on_closures_listed: Action = do_nothing
    on_page_read: Action = do_nothing
    on_last_page: Action = do_nothing

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlCalendarTransaction]:
        async with self.database.write() as connection:
            tx = TransactionWithHooks(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            tx.store = self
            yield tx

    async def list_doctor_ids(self, limit: int, after: UUID | None) -> list[UUID]:
        doctor_ids = await super().list_doctor_ids(limit, after)
        await (self.on_page_read if doctor_ids else self.on_last_page)()
        return doctor_ids


@dataclass(frozen=True)
class StoreWithDeadline(SqlCalendarStore):
    """A store for a caller whose deadline is reached when the closure is written; it lists no doctors before that."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlCalendarTransaction]:
        async with super().begin() as tx:
            yield tx
        deadline.set(time.monotonic())

    async def list_doctor_ids(self, limit: int, after: UUID | None) -> list[UUID]:
        if deadline.get() is not None:
            deadline.set(None)
            await asyncio.Event().wait()
        return await super().list_doctor_ids(limit, after)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    """A store with a doctor in the north and one in the south."""
    async with open_store(sql_url) as store:
        await save_doctor(store, DOCTOR, "North")
        await save_doctor(store, COLLEAGUE, "South")
        yield store


async def save_doctor(store: SqlCalendarStore, doctor: UUID, location: str, version: int = 1) -> None:
    rules = a_doctor(id=doctor, location=location, version=version)
    event = DoctorChanged(id=UUID(int=doctor.int + 1000 * version), occurred_at=NOON, doctor_id=doctor, version=version, rules=rules)
    await RuleCache(store, FakeRuleOwner(), apply_closures).save_doctor(event)


async def save_closure(store: SqlCalendarStore, closure: Closure) -> None:
    """Save a closure as a process does that stops before it settles the closure."""
    async with store.begin() as tx:
        await tx.save_closure(closure)


def closures(store: SqlCalendarStore) -> Closures:
    return Closures(store, lambda: NOON)


async def list_blocked_doctors(store: SqlCalendarStore) -> set[UUID]:
    """Return the doctors whose time is taken; they must be those with a block."""
    who = {who for who, _ in await list_lanes(store)}
    entries = {doctor: await store.list_entries(doctor, NORTH.span, 9, None) for doctor in (DOCTOR, COLLEAGUE, NEWCOMER)}
    assert who == {doctor for doctor, rows in entries.items() if rows}
    return who


@dataclass(frozen=True)
class ClosureChange:
    """A change of a doctor or of the closure, and the doctors who are blocked afterwards."""

    doctor_id: UUID
    action: Callable[[SqlCalendarStore], Awaitable[object]]
    expected: set[UUID]


CHANGES = {
    "a_doctor_moves_south": ClosureChange(DOCTOR, lambda store: save_doctor(store, DOCTOR, "South", 2), set()),
    "a_doctor_moves_north": ClosureChange(COLLEAGUE, lambda store: save_doctor(store, COLLEAGUE, "North", 2), {DOCTOR, COLLEAGUE}),
    "the_closure_is_lifted": ClosureChange(DOCTOR, lambda store: closures(store).lift(NORTH.id, by=Caller(DOCTOR, Role.ADMIN)), set()),
}
changes = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def with_hooks(store: SqlCalendarStore, **meanwhile: Any) -> StoreWithHooks:
    return StoreWithHooks(store.database, store.now, **meanwhile)


@changes
async def test_a_change_while_a_doctor_is_settled_takes_effect(store: SqlCalendarStore, change: ClosureChange) -> None:
    await save_closure(store, NORTH)
    meanwhile = RunOnce(partial(change.action, store), seconds=0.3)
    await closures(with_hooks(store, doctor_id=change.doctor_id, on_doctor_read=meanwhile)).settle_pending()
    await meanwhile.result()
    assert await list_blocked_doctors(store) == change.expected
    assert await closures(store).settle_pending() == 0


@changes
async def test_a_change_after_doctors_were_listed_takes_effect(store: SqlCalendarStore, change: ClosureChange) -> None:
    await save_closure(store, NORTH)
    await closures(with_hooks(store, on_page_read=RunOnce(partial(change.action, store)))).settle_pending()
    assert await list_blocked_doctors(store) == change.expected
    assert await closures(store).settle_pending() == 0


async def test_a_doctor_who_is_added_while_a_closure_is_saved_is_blocked_too(store: SqlCalendarStore) -> None:
    closing = RunOnce(partial(closures(store).close, EVERYWHERE), seconds=0.3)
    await save_doctor(with_hooks(store, on_closures_listed=closing), NEWCOMER, "North")
    await closing.result()
    assert await list_blocked_doctors(store) == {DOCTOR, COLLEAGUE, NEWCOMER}


async def test_a_closure_that_is_lifted_at_its_last_doctor_is_not_marked_as_settled(store: SqlCalendarStore) -> None:
    lifted = RunOnce(partial(save_closure, store, NORTH.lift()))
    closed = await closures(with_hooks(store, on_last_page=lifted)).close(NORTH)
    assert (closed.id, await list_blocked_doctors(store)) == (NORTH.id, {DOCTOR})
    assert await closures(store).settle_pending() == 1
    assert await list_blocked_doctors(store) == set()


@pytest.mark.parametrize("blocked_before", [(), (DOCTOR,), (DOCTOR, COLLEAGUE)], ids=len)
async def test_the_job_settles_a_closure_after_its_process_has_stopped(store: SqlCalendarStore, blocked_before: tuple[UUID, ...]) -> None:
    await save_closure(store, EVERYWHERE)
    async with store.begin() as tx:
        for doctor in blocked_before:
            await tx.insert_block(EVERYWHERE.block_of(doctor))
    assert [await closures(store).settle_pending() for _ in range(2)] == [1, 0]
    assert await list_blocked_doctors(store) == {DOCTOR, COLLEAGUE}
    await save_closure(store, EVERYWHERE.lift())
    async with store.begin() as tx:
        for doctor in blocked_before:
            await tx.delete_block(EVERYWHERE.block_of(doctor))
    assert [await closures(store).settle_pending() for _ in range(2)] == [1, 0]
    assert await list_blocked_doctors(store) == set()


async def test_a_closure_in_the_past_can_be_lifted_completely(store: SqlCalendarStore) -> None:
    await closures(store).close(EVERYWHERE)
    async with store.read() as calendar:
        settled = await calendar.find_closure(EVERYWHERE.id)
    assert settled is not None
    assert settled.settled
    await save_closure(store, settled.lift())
    late = SqlCalendarStore(store.database, lambda: EVERYWHERE.ends_at + HOUR)
    assert [await closures(late).settle_pending() for _ in range(2)] == [1, 0]
    assert await list_blocked_doctors(store) == set()


async def test_a_doctor_or_closure_that_fails_does_not_stop_the_others(store: SqlCalendarStore) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    other = replace(EVERYWHERE, id=UUID(int=0xC2), starts_at=NINE + 2 * HOUR, ends_at=NINE + 3 * HOUR)
    for closure in (EVERYWHERE, other):
        await save_closure(store, closure)
    with pytest.raises(ZeroDivisionError):
        await closures(with_hooks(store, doctor_id=DOCTOR, on_doctor_read=fail)).settle_pending()
    assert await list_blocked_doctors(store) == {COLLEAGUE}
    assert await closures(store).settle_pending() == 2, "tried again later"
    assert await list_blocked_doctors(store) == {DOCTOR, COLLEAGUE}


async def test_a_doctor_whose_rules_cannot_be_read_does_not_stop_the_others(store: SqlCalendarStore) -> None:
    async with store.begin() as tx:
        rules = (await tx.connection.execute(select(DOCTORS.c.rules).where(DOCTORS.c.id == DOCTOR))).scalar_one()
        await tx.connection.execute(update(DOCTORS).where(DOCTORS.c.id == DOCTOR).values(rules="{}"))
    await save_closure(store, EVERYWHERE)
    with pytest.raises(ValidationError):
        await closures(store).settle_pending()
    assert await list_blocked_doctors(store) == {COLLEAGUE}
    async with store.begin() as tx:
        await tx.connection.execute(update(DOCTORS).where(DOCTORS.c.id == DOCTOR).values(rules=rules))
    assert [await closures(store).settle_pending() for _ in range(2)] == [1, 0], "the closure was not marked as settled"
    assert await list_blocked_doctors(store) == {DOCTOR, COLLEAGUE}


async def test_at_the_deadline_a_closure_is_returned_unsettled_and_the_job_settles_it(store: SqlCalendarStore) -> None:
    async with asyncio.timeout(MAX_WAIT_SECONDS - 1):
        closed = await closures(StoreWithDeadline(store.database, store.now)).close(EVERYWHERE)
    assert (closed.settled, await list_blocked_doctors(store)) == (False, set())
    assert await closures(store).settle_pending() == 1
    assert await list_blocked_doctors(store) == {DOCTOR, COLLEAGUE}


@pytest.mark.parametrize(("doctors", "visits", "complete"), [(1, 1000, True), (1, 1002, False), (101, 1001, False)])
async def test_at_most_a_thousand_affected_appointments_are_listed(tmp_path: Path, doctors: int, visits: int, complete: bool) -> None:
    """Doctors are read a hundred at a time, and the first appointments belong to a doctor of the second page."""
    start, ids = grain_of(NINE), [UUID(int=0xD000 + number) for number in range(doctors)]
    positions = [(number % doctors, start + number % 11) for number in range(visits)]
    claims = [
        a_visit(number, ids[doctor_index], start if doctor_index == 100 else start_grain + 1)
        for number, (doctor_index, start_grain) in enumerate(positions)
    ]
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}") as store:
        async with store.begin() as tx:
            for doctor in ids:
                await tx.save_doctor_rules(a_doctor(id=doctor))
            await tx.connection.execute(insert(CLAIMS), [to_row(claim) | {"changed_at": NOON} for claim in claims])
        closed = await closures(StoreWithDeadline(store.database, store.now)).close(EVERYWHERE)
    expected = sorted(claims, key=lambda claim: (claim.slot.visit.start if claim.slot else 0, claim.id))[:1000]
    assert [item.appointment_id for item in closed.affected] == [claim.id for claim in expected]
    assert closed.complete is complete


def a_visit(number: int, doctor: UUID, start: int) -> Claim:
    """Return a claim of one grain."""
    span = range(start, start + 1)
    return Claim(UUID(int=10_000 + number), 1, BookedSlot(CHECKUP, doctor, UUID(int=20_000 + number), span, span))
