"""Coming after the calendar: a doctor's leave has moved or called off appointments there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain import leaves
from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.ports import Doctors, Overtaken, Slots, Store
from appointment_svc.usecases.settle import Settling
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Actor, Reservation
from shared.contracts.refusals import Refusal, Unavailable
from shared.kit.clock import Clock

ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Displacements:
    store: Store
    slots: Slots
    settling: Settling
    doctors: Doctors
    now: Clock

    async def follow(self, event: LeaveTaken) -> None:
        """Every appointment that the leave displaced. One that cannot follow now does not keep the others from it: the refusal is raised
        at the end, and the event comes again."""
        ids = [displaced.appointment_id for displaced in event.displaced]
        refused = [why for one in ids if (why := await self._tried(one, event.actor))]
        if refused:
            raise refused[0]

    async def _tried(self, appointment_id: UUID, by: Actor) -> Refusal | None:
        try:
            await self._follow(appointment_id, by)
        except Refusal as why:
            return why
        return None

    async def _follow(self, appointment_id: UUID, by: Actor) -> None:
        """Reads, settles what is under way, looks into the calendar, writes only what was read; whoever was overtaken looks again."""
        for _ in range(ATTEMPTS):
            found = await self.store.find(appointment_id)
            if found is None:
                return
            with suppress(Overtaken):
                await self.come_after(await self.settling.settled_first(found), by)
                return
        raise Unavailable("Too many change this appointment at once.", retry_after=1)

    async def come_after(self, one: Appointment, by: Actor) -> None:
        """Brings an appointment to where its claim is; Overtaken."""
        claim = await self.slots.find(one.id)
        if claim is None:
            return
        doctor = await self._doctor(one, claim) if leaves.is_brought(one, claim) else None
        followed = leaves.followed(one, claim, doctor, by, self.now())
        if followed != one:
            await self.settling.settled_after(await self.store.save(followed))

    async def _doctor(self, one: Appointment, claim: Reservation) -> DoctorSnapshot:
        """As remembered where only the time changes."""
        if one.doctor is not None and one.doctor.id == claim.doctor_id:
            return one.doctor
        return DoctorSnapshot.of(await self.doctors.doctor(claim.doctor_id))
