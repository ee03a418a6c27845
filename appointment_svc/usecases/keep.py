"""Keeping order: stragglers settled, unanswered requests expired, both sides compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.ports import Overtaken, Slots, Store
from appointment_svc.usecases.settle import Settling
from shared.contracts.http import Actor, Reservation, Reserve
from shared.contracts.identity import Service, system
from shared.contracts.refusals import Refusal, Unavailable
from shared.kit.clock import Clock
from shared.kit.logs import log

BATCH = 100
SELF = Actor.of(system(Service.APPOINTMENT))


@dataclass(frozen=True, slots=True)
class Keeping:
    store: Store
    slots: Slots
    settling: Settling
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
        """A claim without its appointment is released, an appointment without its claim claims again; returns what was mended."""
        claims = await self._claims()
        mended = sum([await self._orphan(claim) for claim in claims.values()])
        after: UUID | None = None
        while page := await self.store.upcoming(self.now(), BATCH, after):
            mended += sum([await self._claimless(one) for one in page if not _matches(one, claims.get(one.id))])
            after = page[-1].id
        if mended:
            log.warning("mended", extra={"facts": {"count": mended}})
        return 0

    async def _settled(self, appointment: Appointment) -> int:
        try:
            await self.settling.settled(appointment)
        except Unavailable:
            return 0
        except Refusal as refusal:
            log.info("settled by refusal", extra={"facts": {"appointment": str(appointment.id), "code": refusal.code}})
        return 1

    async def _expired(self, appointment: Appointment) -> int:
        try:
            expired = await self.store.save(appointment.expire(SELF, self.now()))
        except Overtaken:
            return 0
        return await self._settled(expired) or 1

    async def _claims(self) -> dict[UUID, Reservation]:
        claims, (page, more) = dict[UUID, Reservation](), await self.slots.live(None)
        while True:
            claims |= {claim.appointment_id: claim for claim in page}
            if more is None:
                return claims
            page, more = await self.slots.live(more)

    async def _orphan(self, claim: Reservation) -> int:
        """An appointment that is being settled, or was touched within the last minute, is left alone."""
        appointment = await self.store.find(claim.appointment_id)
        if appointment is not None and (appointment.holds_time or self._is_fresh(appointment)):
            return 0
        await self.slots.release(claim.appointment_id, claim.revision)
        return 1

    async def _claimless(self, appointment: Appointment) -> int:
        current = await self.settling.again(appointment)
        if self._is_fresh(current) or not current.holds_time:
            return 0
        wish = Reserve(
            service_id=current.service.id, doctor_id=current.doctor.id, patient_id=current.patient.id,
            starts_at=current.starts_at, revision=current.revision, by=SELF,
        )  # fmt: skip
        try:
            await self.slots.reserve(current.id, wish)
        except Refusal as refusal:
            log.error("appointment without its time", extra={"facts": {"appointment": str(current.id), "code": refusal.code}})
        return 1

    def _is_fresh(self, appointment: Appointment) -> bool:
        return appointment.intent is not None or appointment.updated_at > self.now() - self.settle_after


def _matches(appointment: Appointment, claim: Reservation | None) -> bool:
    return claim is not None and (claim.starts_at, claim.doctor_id) == (appointment.starts_at, appointment.doctor.id)
