"""Bookings that race with a leave, at chosen moments and at random ones: no appointment remains in the leave without a decision."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import Leave
from scheduling_svc.domain.refusals import AffectedChanged
from scheduling_svc.repository import SqlCalendarStore, SqlCalendarTransaction
from scheduling_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.grains import Span, instant_of
from shared.contracts.identity import Service
from shared.contracts.relayed_refusals import NotBookable, SlotTaken
from tests.contract.grain_table import open_store
from tests.contract.interleaving import do_nothing
from tests.contract.leave_scenarios import HALF, MORNING, Time, book, cancel, keep, list_slots_by_number, move, take
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_service

GROUP, CAPPED, THIRD = UUID(int=0x61), UUID(int=0x62), UUID(int=0xD3)
BOTH = pytest.mark.parametrize("service", [CHECKUP, GROUP], ids=["alone", "in a group"])
Interruption = Callable[[], Awaitable[object]]


class InterruptedTransaction(SqlCalendarTransaction):
    """Calls an action after affected claims were read, before and after a claim is written, and when a leave is written completely."""

    on_affected_read: Interruption = staticmethod(do_nothing)
    before_claim_saved: Interruption = staticmethod(do_nothing)
    after_claim_saved: Interruption = staticmethod(do_nothing)
    after_leave_inserted: Interruption = staticmethod(do_nothing)

    async def list_affected_claims(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        affected = await super().list_affected_claims(doctor_ids, span, now, limit)
        await self.on_affected_read()
        return affected

    async def save_claim(self, claim: Claim, previous: Claim | None, *, capacity: int = 1, from_hold: Hold | None = None) -> None:
        await self.before_claim_saved()
        await super().save_claim(claim, previous, capacity=capacity, from_hold=from_hold)
        await self.after_claim_saved()

    async def insert_leave(self, leave: Leave) -> None:
        await super().insert_leave(leave)
        await self.after_leave_inserted()


@dataclass(frozen=True)
class InterruptedStore(SqlCalendarStore):
    """A store with actions by moment; each is called once, in the first transaction that reaches its moment."""

    moments: dict[str, Interruption] | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InterruptedTransaction]:
        async with self.database.write() as connection:
            tx = InterruptedTransaction(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            for name in self.moments or {}:
                setattr(tx, name, lambda name=name: self._once(name))
            yield tx

    async def _once(self, name: str) -> None:
        await (self.moments or {}).pop(name, do_nothing)()


@dataclass
class LeaveRace:
    """A clinic with a patient in a group at nine. `first` are the use cases that are interrupted, `then` is the task that interrupts
    them."""

    use_cases: CalendarUseCases
    first: CalendarUseCases
    moments: dict[str, Interruption]
    other_task: asyncio.Task[object] | None = None

    def at(self, moment: str, action: Interruption, *, waits: bool) -> None:
        """Begin an action at a moment; the interrupted use case goes on when the action is done, or must wait itself."""

        async def begin() -> None:
            self.other_task = asyncio.ensure_future(action())
            await asyncio.wait({self.other_task}, timeout=None if waits else 0.5)

        self.moments[moment] = begin

    async def result(self) -> object:
        assert self.other_task is not None
        return await self.other_task


@pytest.fixture
async def race(mysql_url: str) -> AsyncIterator[LeaveRace]:
    """A race on a MySQL server; SQLite has one writer, so that a second transaction could not begin."""
    async with open_store(mysql_url) as store:
        moments: dict[str, Interruption] = {}
        use_cases = await open_use_cases(store)
        watching = CalendarUseCases(InterruptedStore(store.database, store.now, moments=moments), NOON)
        yield LeaveRace(use_cases, watching, moments)


async def open_use_cases(store: SqlCalendarStore) -> CalendarUseCases:
    services = [a_service(), a_service(id=GROUP, capacity=4), a_service(id=CAPPED, daily_cap=2)]
    doctors = [a_doctor(id=doctor_id, services=[service.id for service in services]) for doctor_id in (DOCTOR, COLLEAGUE, THIRD)]
    use_cases = await CalendarUseCases.open(store, NOON, doctors, services)
    await book(use_cases, 1, NINE, service_id=GROUP)
    return use_cases


def start_of(service: UUID) -> datetime:
    """Return the start of the existing group, or one beside it."""
    return NINE if service == GROUP else NINE + HALF


@BOTH
async def test_a_booking_after_a_leave_has_read_the_affected_is_refused(race: LeaveRace, service: UUID) -> None:
    race.at("on_affected_read", lambda: book(race.use_cases, 2, start_of(service), service_id=service), waits=False)
    await take(race.first, keep(1))
    with pytest.raises(NotBookable):
        await race.result()
    assert list(await list_slots_by_number(race.use_cases)) == [1]


@BOTH
async def test_a_booking_is_refused_if_a_leave_is_taken_between_its_decision_and_its_write(race: LeaveRace, service: UUID) -> None:
    race.at("before_claim_saved", lambda: take(race.use_cases, keep(1)), waits=True)
    with pytest.raises(NotBookable):
        await book(race.first, 2, start_of(service), service_id=service)
    await race.result()
    assert list(await list_slots_by_number(race.use_cases)) == [1]


@BOTH
async def test_a_leave_waits_for_a_booking_that_is_being_written_and_must_decide_about_it(race: LeaveRace, service: UUID) -> None:
    race.at("after_claim_saved", lambda: take(race.use_cases, keep(1)), waits=False)
    await book(race.first, 2, start_of(service), service_id=service)
    with pytest.raises(AffectedChanged) as refused:
        await race.result()
    assert [item.appointment_id.int for item in refused.value.facts["affected"]] == [1, 2]


async def test_two_leaves_that_move_to_one_colleague_do_not_pass_the_cap_together(race: LeaveRace) -> None:
    await book(race.use_cases, 2, NINE + HALF, service_id=CAPPED)
    await book(race.use_cases, 3, NINE, service_id=CAPPED, doctor_id=THIRD)
    await book(race.use_cases, 4, NINE, service_id=CAPPED, doctor_id=COLLEAGUE)
    race.at("after_leave_inserted", lambda: take(race.use_cases, move(3, NINE + 4 * HALF), number=901, doctor=THIRD), waits=False)
    await take(race.first, keep(1), move(2, NINE + 2 * HALF))
    with pytest.raises(NotBookable) as refused:
        await race.result()
    assert [reason["code"] for reason in refused.value.facts["reasons"]] == ["daily_cap_reached"]
    assert [slot.doctor_id for slot in (await list_slots_by_number(race.use_cases)).values()].count(COLLEAGUE) == 2


async def test_a_booking_and_a_leave_that_moves_do_not_pass_the_cap_together(race: LeaveRace) -> None:
    await book(race.use_cases, 2, NINE + HALF, service_id=CAPPED)
    await book(race.use_cases, 4, NINE, service_id=CAPPED, doctor_id=COLLEAGUE)
    race.at("after_leave_inserted", lambda: book(race.use_cases, 5, NINE + 4 * HALF, service_id=CAPPED, doctor_id=COLLEAGUE), waits=False)
    await take(race.first, keep(1), move(2, NINE + 2 * HALF))
    with pytest.raises(NotBookable):
        await race.result()


async def take_until_unchanged(use_cases: CalendarUseCases, number: int, time: Time) -> set[int]:
    """Take a leave that keeps every other appointment; try again while the affected ones change. Return the numbers of the kept ones."""
    affected: list[int] = []
    while True:
        try:
            await take(use_cases, *(keep(item) if item % 2 else cancel(item) for item in affected), number=number, time=time)
        except AffectedChanged as changed:
            affected = [item.appointment_id.int for item in changed.facts["affected"]]
        else:
            return {item for item in affected if item % 2}


async def try_to_book(use_cases: CalendarUseCases, number: int, start: datetime, service: UUID) -> None:
    with suppress(SlotTaken, NotBookable):
        await book(use_cases, number, start, service_id=service)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_appointment_that_remains_in_a_leave_was_kept_by_decision(sql_url: str, seed: int) -> None:
    rng = random.Random(seed)
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store)
        for week in range(2):
            time = (MORNING[0] + timedelta(weeks=week), MORNING[1] + timedelta(weeks=week))
            requests = [(100 * week + number, time[0] + rng.randrange(6) * HALF) for number in range(10, 26)]
            bookings = [try_to_book(use_cases, number, start, rng.choice([CHECKUP, GROUP])) for number, start in requests]
            kept = (await asyncio.gather(take_until_unchanged(use_cases, 900 + week, time), *bookings))[0]
            assert {number for number, slot in (await list_slots_by_number(use_cases)).items() if is_in_range(time, slot)} == kept


def is_in_range(time: Time, slot: BookedSlot) -> bool:
    return time[0] <= instant_of(slot.visit.start) < time[1]
