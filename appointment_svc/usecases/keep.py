"""Keeping order: stragglers settled, unanswered requests expired, both sides compared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.leaves import is_at, is_moved_by_clinic
from appointment_svc.ports import Overtaken, Slots, Store
from appointment_svc.usecases.follow import Displacements
from appointment_svc.usecases.settle import Settling
from shared.contracts.http import Actor, Reservation
from shared.contracts.identity import Service, system_caller
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.logs import log, log_event

BATCH = 100
SELF = Actor.from_caller(system_caller(Service.APPOINTMENT))


@dataclass(frozen=True, slots=True)
class Keeping:
    store: Store
    slots: Slots
    settling: Settling
    displacements: Displacements
    now: Clock
    settle_after: timedelta

    async def settle_stragglers(self) -> int:
        """What a dead process or a calendar that was away left behind."""
        stragglers = await self.store.unsettled(self.now() - self.settle_after, BATCH)
        return sum([await self._settled(appointment) for appointment in stragglers])

    async def expire_requests(self) -> int:
        """Requests that nobody answered before their time came."""
        late = await self.store.unanswered(self.now(), BATCH)
        return sum([await self._expired(appointment) for appointment in late])

    async def reconcile(self) -> int:
        """A claim without its appointment is released, an appointment without its claim claims again, or follows it where the clinic moved
        it and the event of that was lost."""
        claims, mended = dict[UUID, Reservation](), 0
        async for page in self._claims():
            mended += await self._orphans(page)
            claims |= {claim.appointment_id: claim for claim in page if claim.ends_at > self.now()}
        async for appointments in self._upcoming():
            mended += sum([await self._claimless(one, claims.get(one.id)) for one in appointments])
        if mended:
            log.warning("mended", extra={"facts": {"count": mended}})
        return 0

    async def _settled(self, appointment: Appointment) -> int:
        try:
            await self.settling.settled(appointment)
        except Refusal as why:
            log_event("appointment waits", appointment=str(appointment.id), why=why.code)
            return 0
        return 1

    async def _expired(self, appointment: Appointment) -> int:
        try:
            expired = await self.store.save(appointment.expire(SELF, self.now()))
        except Overtaken:
            return 0
        return await self._settled(expired) or 1

    async def _claims(self) -> AsyncIterator[list[Reservation]]:
        page, more = await self.slots.live(None)
        yield page
        while more is not None:
            page, more = await self.slots.live(more)
            yield page

    async def _upcoming(self) -> AsyncIterator[list[Appointment]]:
        after: UUID | None = None
        while page := await self.store.upcoming(self.now(), BATCH, after):
            yield page
            after = page[-1].id

    async def _orphans(self, claims: list[Reservation]) -> int:
        """An appointment that is being settled, or was touched within the last minute, is left alone."""
        known = await self.store.find_all([claim.appointment_id for claim in claims])
        orphans = [claim for claim in claims if not self._is_owned(known.get(claim.appointment_id))]
        for claim in orphans:
            await self.slots.release(claim.appointment_id, claim.revision)
        return len(orphans)

    def _is_owned(self, appointment: Appointment | None) -> bool:
        return appointment is not None and (appointment.holds_time or self._is_fresh(appointment))

    async def _claimless(self, appointment: Appointment, claim: Reservation | None) -> int:
        """Claims the time of an appointment whose claim is gone or elsewhere."""
        if _matches(appointment, claim):
            return 0
        current = await self.settling.again(appointment)
        if self._is_fresh(current) or not current.holds_time or _matches(current, claim):
            return 0
        try:
            return await self._mended(current)
        except Overtaken:
            return 0

    async def _mended(self, one: Appointment) -> int:
        known = await self.slots.find(one.id)
        if not one.has_begun and is_moved_by_clinic(one, known):
            await self.displacements.come_after(one, SELF)
            return 1
        asked = await self.store.save(one.reclaim(SELF, self.now(), known.revision if known else 0))
        settled = await self.settling.settled(asked)
        if settled.denial is not None and settled.denial != one.denial:
            log.error("appointment without its time", extra={"facts": {"appointment": str(one.id), "code": settled.denial.code}})
        return 1

    def _is_fresh(self, appointment: Appointment) -> bool:
        return appointment.intent is not None or appointment.updated_at > self.now() - self.settle_after


def _matches(appointment: Appointment, claim: Reservation | None) -> bool:
    return claim is not None and is_at(appointment, claim)
