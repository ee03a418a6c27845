"""Holding time for a few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from scheduling_svc.domain.diary import View
from scheduling_svc.domain.holds import MOST, Hold, HoldWish
from scheduling_svc.domain.refusals import NoSuchHold, TooManyHolds
from scheduling_svc.ports import Store, Transaction
from scheduling_svc.usecases.reservations import counts
from scheduling_svc.usecases.rulebook import Rulebook
from scheduling_svc.usecases.sheets import Case
from shared.contracts.grains import grain_of
from shared.contracts.identity import Caller
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Holds:
    store: Store
    rulebook: Rulebook
    now: Clock

    async def hold(self, one: UUID, wish: HoldWish, by: Caller) -> Hold:
        """Keeps a time that could be booked, in place of the owner's last hold for this service; a repeated wish gets what came of it."""
        async with self.rulebook.begun(wish.service_id, [wish.doctor_id]) as opened:
            service, tx = opened.service, opened.look
            await tx.alone(by.id, *counts(service, [wish.doctor_id]))
            if (known := await tx.hold(one)) is not None:
                return known.of_owner(by.id)
            now = self.now()
            case = await Case.of(tx, service, opened.doctors, wish.starts_at, View.of(by, now))
            await case.granted()
            hold = Hold.of(one, by.id, service, wish.doctor_id, grain_of(wish.starts_at), now)
            await self._make_room(tx, hold, case.giving_way(wish.doctor_id))
            await tx.keep(hold, seats=service.capacity)
        return hold

    async def _make_room(self, tx: Transaction, hold: Hold, in_the_way: list[Hold]) -> None:
        own = await tx.holds_of(hold.owner_id)
        now = self.now()
        going = {each.id: each for each in in_the_way}
        going |= {each.id: each for each in own if each.service_id == hold.service_id or not each.stands(now)}
        if len([each for each in own if each.id not in going]) >= MOST:
            raise TooManyHolds(limit=MOST)
        for each in going.values():
            await tx.drop(each)

    async def extend(self, hold_id: UUID, by: Caller) -> Hold:
        """Once, and not after it is over."""
        async with self.store.begin() as tx:
            await tx.alone(by.id)
            longer = (await _own(tx, hold_id, by)).extend(self.now())
            await tx.extend(longer)
        return longer

    async def drop(self, hold_id: UUID, by: Caller) -> None:
        """Gives it back; harmless to repeat."""
        async with self.store.begin() as tx:
            await tx.alone(by.id)
            await tx.drop(await _own(tx, hold_id, by))

    async def find(self, hold_id: UUID, by: Caller) -> Hold:
        """One's own that stands."""
        async with self.store.look() as look:
            hold = await look.hold(hold_id)
        if hold is None or not hold.of_owner(by.id).stands(self.now()):
            raise NoSuchHold
        return hold


async def _own(tx: Transaction, hold_id: UUID, by: Caller) -> Hold:
    hold = await tx.hold(hold_id)
    if hold is None:
        raise NoSuchHold
    return hold.of_owner(by.id)
