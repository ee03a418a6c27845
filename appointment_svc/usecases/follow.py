"""Coming after the calendar: a doctor's leave has moved or called off appointments there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain import leaves
from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.ports import Doctors, Overtaken, Store
from appointment_svc.usecases.settle import Settling
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Displaced
from shared.contracts.refusals import Refusal, Unavailable
from shared.kit.clock import Clock
from shared.kit.ids import same_id

ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Displacements:
    store: Store
    settling: Settling
    doctors: Doctors
    now: Clock

    async def follow(self, event: LeaveTaken) -> None:
        """Every appointment that the leave displaced, each once. One that cannot follow now does not keep the others from it: the
        refusal is raised at the end, and the event comes again."""
        refused = [why for displaced in event.displaced if (why := await self._tried(event, displaced))]
        if refused:
            raise refused[0]

    async def _tried(self, event: LeaveTaken, displaced: Displaced) -> Refusal | None:
        try:
            await self._follow(event, displaced)
        except Refusal as why:
            return why
        return None

    async def _follow(self, event: LeaveTaken, displaced: Displaced) -> None:
        """Reads, settles what is under way, decides, writes only what was read; whoever was overtaken decides again."""
        once = same_id(event.id, str(displaced.appointment_id))
        for _ in range(ATTEMPTS):
            found = await self.store.find(displaced.appointment_id)
            standing = await self.settling.settled_first(found) if found else None
            if standing is None or standing.did(once):
                return
            decided = await self._decided(event, displaced, standing, once)
            if decided == standing:
                return
            with suppress(Overtaken):
                await self.settling.settled_after(await self.store.save(decided))
                return
        raise Unavailable("Too many change this appointment at once.", retry_after=1)

    async def _decided(self, event: LeaveTaken, displaced: Displaced, one: Appointment, once: UUID) -> Appointment:
        if leaves.left_behind(displaced, one):
            return leaves.without_claim(displaced, one, event.actor, self.now(), once=once)
        if not leaves.concerns(displaced, one):
            return one
        if displaced.action == "cancelled":
            return leaves.called_off(displaced, one, event.actor, self.now(), once=once)
        doctor = await self._doctor(displaced, one)
        return leaves.brought_after(displaced, one, doctor, event.actor, self.now(), once=once)

    async def _doctor(self, displaced: Displaced, one: Appointment) -> DoctorSnapshot:
        """As remembered where only the time changes."""
        assert displaced.doctor_id is not None
        if one.doctor is not None and one.doctor.id == displaced.doctor_id:
            return one.doctor
        return DoctorSnapshot.of(await self.doctors.doctor(displaced.doctor_id))
