"""A leave and the bookings that race with it, at the moments that matter and at random ones: nothing comes to stand in it undecided."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.domain.leaves import Leave
from scheduling_svc.domain.refusals import AffectedChanged, NotBookable, SlotTaken
from scheduling_svc.repository import SqlStore, Transaction
from scheduling_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.grains import Span, instant_of
from shared.contracts.identity import Service
from tests.contract.grains import opened
from tests.contract.leaves import HALF, MORNING, Time, book, cancel, keep, move, places, take
from tests.property.desk import Desk
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_service

GROUP, CAPPED, THIRD = UUID(int=0x61), UUID(int=0x62), UUID(int=0xD3)
BOTH = pytest.mark.parametrize("service", [CHECKUP, GROUP], ids=["alone", "in a group"])
Moment = Callable[[], Awaitable[object]]


async def nothing() -> None:
    """Happens meanwhile."""


class Watched(Transaction):
    """Lets something happen after a look at what is affected, around the writing of a claim, and when all of a leave is written."""

    looked: Moment = staticmethod(nothing)
    decided: Moment = staticmethod(nothing)
    written: Moment = staticmethod(nothing)
    left: Moment = staticmethod(nothing)

    async def affected(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        found = await super().affected(doctor_ids, span, now, limit)
        await self.looked()
        return found

    async def put(self, claim: Claim, standing: Claim | None, *, seats: int = 1) -> None:
        await self.decided()
        await super().put(claim, standing, seats=seats)
        await self.written()

    async def add_leave(self, leave: Leave) -> None:
        await super().add_leave(leave)
        await self.left()


@dataclass(frozen=True)
class Watching(SqlStore):
    """Each of `moments` comes once, in the first transaction that reaches it."""

    moments: dict[str, Moment] | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Watched]:
        async with self.database.write() as connection:
            tx = Watched(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            for name in self.moments or {}:
                setattr(tx, name, lambda name=name: self._once(name))
            yield tx

    async def _once(self, name: str) -> None:
        await (self.moments or {}).pop(name, nothing)()


@dataclass
class Race:
    """A clinic in which someone already sits in a group at nine; `first` is where the other comes in between, `then` its answer."""

    desk: Desk
    first: Desk
    moments: dict[str, Moment]
    then: asyncio.Task[object] | None = None

    def at(self, moment: str, deed: Moment, *, waits: bool) -> None:
        """Begins the deed at that moment; whoever waits goes on when the deed is done, or has to wait itself."""

        async def begin() -> None:
            self.then = asyncio.ensure_future(deed())
            await asyncio.wait({self.then}, timeout=None if waits else 0.5)

        self.moments[moment] = begin

    async def answer(self) -> object:
        assert self.then is not None
        return await self.then


@pytest.fixture
async def race(mysql_url: str) -> AsyncIterator[Race]:
    """On a server; in SQLite the other could not even begin."""
    async with opened(mysql_url) as store:
        moments: dict[str, Moment] = {}
        desk = await a_desk(store)
        watching = Desk(Watching(store.database, store.now, moments=moments), NOON)
        yield Race(desk, watching, moments)


async def a_desk(store: SqlStore) -> Desk:
    services = [a_service(), a_service(id=GROUP, capacity=4), a_service(id=CAPPED, daily_cap=2)]
    doctors = [a_doctor(id=each, services=[service.id for service in services]) for each in (DOCTOR, COLLEAGUE, THIRD)]
    desk = await Desk.opened(store, NOON, doctors, services)
    await book(desk, 1, NINE, service_id=GROUP)
    return desk


def start_of(service: UUID) -> datetime:
    """Of the group that stands, or beside it."""
    return NINE if service == GROUP else NINE + HALF


@BOTH
async def test_who_books_after_a_leave_has_looked_comes_too_late(race: Race, service: UUID) -> None:
    race.at("looked", lambda: book(race.desk, 2, start_of(service), service_id=service), waits=False)
    await take(race.first, keep(1))
    with pytest.raises(NotBookable):
        await race.answer()
    assert list(await places(race.desk)) == [1]


@BOTH
async def test_a_leave_that_is_taken_after_a_booking_was_decided_and_before_it_is_written_stands(race: Race, service: UUID) -> None:
    race.at("decided", lambda: take(race.desk, keep(1)), waits=True)
    with pytest.raises(NotBookable):
        await book(race.first, 2, start_of(service), service_id=service)
    await race.answer()
    assert list(await places(race.desk)) == [1]


@BOTH
async def test_a_leave_waits_for_a_booking_that_is_being_written_and_must_decide_about_it(race: Race, service: UUID) -> None:
    race.at("written", lambda: take(race.desk, keep(1)), waits=False)
    await book(race.first, 2, start_of(service), service_id=service)
    with pytest.raises(AffectedChanged) as refused:
        await race.answer()
    assert [each.appointment_id.int for each in refused.value.facts["affected"]] == [1, 2]


async def test_two_leaves_that_move_to_one_colleague_do_not_pass_the_cap_together(race: Race) -> None:
    await book(race.desk, 2, NINE + HALF, service_id=CAPPED)
    await book(race.desk, 3, NINE, service_id=CAPPED, doctor_id=THIRD)
    await book(race.desk, 4, NINE, service_id=CAPPED, doctor_id=COLLEAGUE)
    race.at("left", lambda: take(race.desk, move(3, NINE + 4 * HALF), number=901, doctor=THIRD), waits=False)
    await take(race.first, keep(1), move(2, NINE + 2 * HALF))
    with pytest.raises(NotBookable) as refused:
        await race.answer()
    assert [reason["code"] for reason in refused.value.facts["reasons"]] == ["daily_cap_reached"]
    assert [place.doctor_id for place in (await places(race.desk)).values()].count(COLLEAGUE) == 2


async def test_a_booking_and_a_leave_that_moves_do_not_pass_the_cap_together(race: Race) -> None:
    await book(race.desk, 2, NINE + HALF, service_id=CAPPED)
    await book(race.desk, 4, NINE, service_id=CAPPED, doctor_id=COLLEAGUE)
    race.at("left", lambda: book(race.desk, 5, NINE + 4 * HALF, service_id=CAPPED, doctor_id=COLLEAGUE), waits=False)
    await take(race.first, keep(1), move(2, NINE + 2 * HALF))
    with pytest.raises(NotBookable):
        await race.answer()


async def decided_on(desk: Desk, number: int, time: Time) -> set[int]:
    """A leave whose doctor keeps every other appointment, and looks again when others have come; the numbers of those kept."""
    found: list[int] = []
    while True:
        try:
            await take(desk, *(keep(each) if each % 2 else cancel(each) for each in found), number=number, time=time)
        except AffectedChanged as changed:
            found = [each.appointment_id.int for each in changed.facts["affected"]]
        else:
            return {each for each in found if each % 2}


async def try_to_book(desk: Desk, number: int, start: datetime, service: UUID) -> None:
    with suppress(SlotTaken, NotBookable):
        await book(desk, number, start, service_id=service)


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_stands_in_a_leave_in_the_end_was_kept(sql_url: str, seed: int) -> None:
    chance = random.Random(seed)
    async with opened(sql_url) as store:
        desk = await a_desk(store)
        for week in range(2):
            time = (MORNING[0] + timedelta(weeks=week), MORNING[1] + timedelta(weeks=week))
            wishes = [(100 * week + number, time[0] + chance.randrange(6) * HALF) for number in range(10, 26)]
            bookers = [try_to_book(desk, number, start, chance.choice([CHECKUP, GROUP])) for number, start in wishes]
            kept = (await asyncio.gather(decided_on(desk, 900 + week, time), *bookers))[0]
            assert {number for number, place in (await places(desk)).items() if is_in(time, place)} == kept


def is_in(time: Time, place: Place) -> bool:
    return time[0] <= instant_of(place.visit.start) < time[1]
