"""Everything that may become of an appointment after it was booked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from appointment_svc.domain.refusals import DoctorInactive, NoSuchAppointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.ports import Doctors, Overtaken, Store
from appointment_svc.usecases.settle import Settling
from shared.contracts.http import Actor
from shared.contracts.identity import Caller
from shared.contracts.refusals import Unavailable, require_version
from shared.kit.clock import Clock
from shared.kit.ids import derive_id

Decision = Callable[[Appointment], Appointment]
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Act:
    """Who acts, on what, having seen which version (None: did not say), by which keyed wish."""

    by: Caller
    appointment_id: UUID
    expected: int | None
    once: UUID

    @property
    def actor(self) -> Actor:
        return Actor.from_caller(self.by)


@dataclass(frozen=True, slots=True)
class Changes:
    store: Store
    settling: Settling
    doctors: Doctors
    now: Clock

    async def reschedule(self, act: Act, starts_at: datetime | None, doctor_id: UUID | None, note: str | None = None) -> Appointment:
        """In place: the same id, the old time freed in the transaction that takes the new one."""
        standing = await self._seen(act)
        doctor = await self._named(doctor_id, standing) if doctor_id else None
        return await self._changed(
            act,
            lambda one: one.reschedule(starts_at or one.starts_at, doctor, act.actor, self.now(), once=act.once, note=note),
        )

    async def cancel(self, act: Act, reason: str | None) -> Appointment:
        return await self._changed(act, lambda one: one.cancel(act.actor, self.now(), once=act.once, reason=reason))

    async def decline(self, act: Act, reason: str | None) -> Appointment:
        return await self._changed(act, lambda one: one.decline(act.actor, self.now(), once=act.once, reason=reason))

    async def approve(self, act: Act) -> Appointment:
        return await self._become(act, Status.BOOKED)

    async def check_in(self, act: Act) -> Appointment:
        return await self._become(act, Status.CHECKED_IN)

    async def start(self, act: Act) -> Appointment:
        return await self._become(act, Status.IN_PROGRESS)

    async def complete(self, act: Act) -> Appointment:
        return await self._become(act, Status.COMPLETED)

    async def miss(self, act: Act) -> Appointment:
        return await self._become(act, Status.MISSED)

    async def restore(self, act: Act) -> Appointment:
        return await self._changed(act, lambda one: one.restore(act.actor, self.now(), once=act.once))

    async def amend(self, act: Act, changes: dict[str, Any]) -> Appointment:
        return await self._changed(act, lambda one: one.amend(changes, act.actor, self.now(), once=act.once))

    async def set(self, act: Act, starts_at: datetime | None, doctor_id: UUID | None, status: Status | None, reason: str) -> Appointment:
        """An admin's hand: a move, then a status, by the same rules as everyone's. A status that cannot be stops the move too."""

        def step(one: Appointment) -> Appointment:
            return one.brought_to(status or one.status, act.actor, self.now(), once=derive_id(act.once, "status"), reason=reason)

        if starts_at is None and doctor_id is None:
            return await self._changed(replace(act, once=derive_id(act.once, "status")), step)
        standing = await self._seen(act)
        step(replace(standing, starts_at=starts_at or standing.starts_at))
        moved = await self.reschedule(act, starts_at, doctor_id, reason)
        seen = moved.version if act.expected is not None else None
        return await self._changed(replace(act, expected=seen, once=derive_id(act.once, "status")), step)

    async def _become(self, act: Act, status: Status) -> Appointment:
        return await self._changed(act, lambda one: one.become(status, act.actor, self.now(), once=act.once))

    async def _changed(self, act: Act, decide: Decision) -> Appointment:
        """Reads, decides, writes only what was read, and settles; whoever was overtaken decides again."""
        for _ in range(ATTEMPTS):
            standing = await self.settling.settled_first(await self._seen(act))
            if standing.did(act.once):
                return standing
            require_version(standing.version, act.expected)
            decided = decide(standing)
            if decided == standing:
                return standing
            with suppress(Overtaken):
                done = await self.settling.settled_after(await self.store.save(decided))
                if done.did(act.once):
                    return done
        raise Unavailable("Too many change this appointment at once.", retry_after=1)

    async def _seen(self, act: Act) -> Appointment:
        appointment = await self.store.find(act.appointment_id)
        if appointment is None:
            raise NoSuchAppointment
        return rules.seen_by(act.by, appointment)

    async def _named(self, doctor_id: UUID, standing: Appointment) -> DoctorSnapshot:
        """As remembered where it is the same one."""
        if standing.doctor is not None and standing.doctor.id == doctor_id:
            return standing.doctor
        doctor = await self.doctors.doctor(doctor_id)
        if not doctor.active:
            raise DoctorInactive
        return DoctorSnapshot.of(doctor)
