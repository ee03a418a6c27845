"""Closing the clinic, or one of its locations: a block for every doctor concerned, also for one who comes later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Self
from uuid import UUID

from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.leaves import LONGEST_CLOSURE, Closure, bounded
from scheduling_svc.domain.refusals import NoSuchClosure
from scheduling_svc.domain.terms import Doctor
from scheduling_svc.ports import Look, Store, Transaction
from scheduling_svc.usecases.leaves import shut
from shared.contracts.http import Reservation
from shared.kit.clock import Clock
from shared.kit.deadlines import remaining_seconds
from shared.kit.ids import derive_id
from shared.kit.retry import retry_transaction

PATIENCE_SECONDS = 4
MOST_TOLD = 1000
ALL = derive_id(UUID(int=0), "closures")
PAGE = 100


@dataclass(frozen=True, slots=True)
class Closed:
    """A closure and the first thousand appointments that stand in its time and have not begun: they are kept until someone decides about
    them. `complete` when that is all of them."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    reason: str
    location: str | None
    created_at: datetime
    settled: bool
    affected: list[Reservation]
    complete: bool

    @classmethod
    def of(cls, closure: Closure, found: Sequence[Claim]) -> Self:
        told = sorted((claim.reservation() for claim in found), key=lambda each: (each.starts_at, each.appointment_id))
        known = {each.name: getattr(closure, each.name) for each in fields(closure) if each.name in cls.__slots__}
        return cls(**known, affected=told[:MOST_TOLD], complete=len(told) <= MOST_TOLD)


async def concern(tx: Transaction, doctor: Doctor) -> None:
    """Brings the blocks of one doctor into line with all closures; whoever learns of a doctor, or closes, is alone with that."""
    await tx.alone(ALL)
    for closure in await tx.closures():
        await _blocked(tx, closure, doctor)


async def _blocked(tx: Transaction, closure: Closure, doctor: Doctor) -> None:
    block = closure.block_of(doctor.id)
    await (shut(tx, block) if closure.concerns(doctor) else tx.unblock(block))


@dataclass(frozen=True, slots=True)
class Closures:
    store: Store
    now: Clock

    async def close(self, closure: Closure) -> Closed:
        """Blocks doctor by doctor; what is not done when a process dies is done by the job."""
        bounded(closure.starts_at, closure.ends_at, self.now(), LONGEST_CLOSURE, ("from", "to"))
        async with self.store.begin() as tx:
            await tx.alone(ALL)
            known = await tx.closure(closure.id)
            if known is None:
                await tx.save_closure(closure)
        standing = await self._settled_soon(known or closure)
        return Closed.of(standing, await self._affected(standing))

    async def lift(self, closure_id: UUID) -> None:
        """The time reopens."""
        async with self.store.begin() as tx:
            await tx.alone(ALL)
            closure = await _standing(tx, closure_id)
            await tx.save_closure(closure.lift())
        await self._settled_soon(closure.lift())

    async def find(self, closure_id: UUID) -> Closure:
        async with self.store.look() as look:
            return await _standing(look, closure_id)

    async def listed(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        """The latest first; one more than `limit`, if there is."""
        return await self.store.all_closures(limit + 1, after)

    async def settle(self) -> int:
        """Finishes what was begun."""
        async with self.store.begin() as tx:
            begun = [closure for closure in await tx.closures() if not closure.settled]
        for closure in begun:
            await self._settled(closure)
        return len(begun)

    async def _settled_soon(self, closure: Closure) -> Closure:
        """As far as a caller can wait; the job does the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(remaining_seconds(PATIENCE_SECONDS)):
                return await self._settled(closure)
        return closure

    async def _settled(self, closure: Closure) -> Closure:
        async for doctor in self._doctors():
            await retry_transaction(partial(self._settle_one, closure.id, doctor.id))
        return await self._noted(closure)

    async def _settle_one(self, closure_id: UUID, doctor_id: UUID) -> None:
        """As doctor and closure are now, and stay meanwhile."""
        async with self.store.begin() as tx:
            await tx.alone(ALL)
            closure, doctors = await tx.closure(closure_id), await tx.doctors([doctor_id])
            if closure is not None and doctors:
                await _blocked(tx, closure, doctors[0])

    async def _affected(self, closure: Closure) -> list[Claim]:
        """One more than can be told, if there is, and not in order; asked for some doctors at a time."""
        concerned = [doctor.id async for doctor in self._doctors() if closure.concerns(doctor)]
        found: list[Claim] = []
        for at in range(0, len(concerned), PAGE):
            async with self.store.look() as look:
                found += await look.affected(concerned[at : at + PAGE], closure.span, self.now(), MOST_TOLD + 1)
        return found

    async def _doctors(self) -> AsyncIterator[Doctor]:
        last: UUID | None = None
        while doctors := await self.store.doctors_after(PAGE, last):
            for doctor in doctors:
                yield doctor
            last = doctors[-1].id

    async def _noted(self, closure: Closure) -> Closure:
        """Unless it was lifted meanwhile, and is to be done again."""
        async with self.store.begin() as tx:
            await tx.alone(ALL)
            standing = await tx.closure(closure.id)
            if standing is None or standing.lifted != closure.lifted:
                return standing or closure
            settled = replace(standing, settled=True)
            await tx.save_closure(settled)
        return settled


async def _standing(look: Look, closure_id: UUID) -> Closure:
    closure = await look.closure(closure_id)
    if closure is None or closure.lifted:
        raise NoSuchClosure
    return closure
