"""Granting time, moving it and giving it back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from scheduling_svc.domain.claims import Claim, place_for, taking_place
from scheduling_svc.domain.diary import View
from scheduling_svc.domain.refusals import HoldExpired, HoldMismatch, NoSuchReservation
from scheduling_svc.domain.terms import Service
from scheduling_svc.ports import Store, Transaction
from scheduling_svc.usecases.rulebook import Opened, Rulebook
from scheduling_svc.usecases.sheets import Case
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Reservation, ReserveTime
from shared.kit.clock import Clock
from shared.kit.ids import derive_id


@dataclass(frozen=True, slots=True)
class Reservations:
    store: Store
    rulebook: Rulebook
    now: Clock

    async def reserve(self, appointment_id: UUID, wish: ReserveTime) -> Reservation:
        """Grants the time, or moves the appointment's claim to it; a wish that was answered before gets what stands.

        One transaction looks, decides and writes; the grains' key has the last word: whoever was overtaken in between is undone whole and
        looks again (Overtaken).
        """
        doctor_ids = None if wish.doctor_id is None else [wish.doctor_id]
        async with self.rulebook.begun(wish.service_id, doctor_ids, seen=seen_by(wish)) as opened:
            standing = await opened.look.claim(appointment_id)
            if standing is not None and standing.answers(wish):
                return standing.reservation()
            if standing is not None and standing.holds(wish):
                claim = replace(standing, revision=wish.revision)
            elif wish.begun:
                claim = taking_place(appointment_id, wish, opened.service)
            else:
                claim = await self._decided(opened, appointment_id, wish, standing)
            await opened.look.put(claim, standing, seats=opened.service.capacity)
        return claim.reservation()

    async def _decided(self, opened: Opened[Transaction], appointment_id: UUID, wish: ReserveTime, standing: Claim | None) -> Claim:
        service, tx = opened.service, opened.look
        await tx.alone(*counts(service, [doctor.id for doctor in opened.doctors]))
        by = wish.by.caller
        view = View.of(by, self.now(), patient_id=wish.patient_id, but=standing.id if standing else None)
        case = await Case.of(tx, service, opened.doctors, wish.starts_at, view)
        await self._admitted(case, wish)
        doctor = await case.granted()
        await make_way(tx, case, doctor.id)
        return Claim(appointment_id, wish.revision, place_for(wish, service, doctor.id))

    async def _admitted(self, case: Case, wish: ReserveTime) -> None:
        """A hold that is named must be for just this."""
        if wish.hold_id is None:
            return
        hold = await case.look.hold(wish.hold_id)
        if hold is None:
            raise HoldMismatch
        try:
            hold.admit(wish, case.view.now)
        except HoldExpired:
            raise HoldExpired(alternatives=await case.alternatives()) from None

    async def release(self, appointment_id: UUID, revision: int) -> None:
        """Gives the time back, and leaves word for a wish that is still on its way."""
        async with self.store.begin() as tx:
            standing = await tx.claim(appointment_id)
            none_yet = Claim(appointment_id, revision, None, live=False)
            await tx.put(standing.released(revision) if standing else none_yet, standing)

    async def note_begun(self, event: AppointmentEvent) -> None:
        """The patient is here: from now on a leave leaves this visit alone."""
        async with self.store.begin() as tx:
            standing = await tx.claim(event.appointment_id)
            if await tx.mark_handled(event.id) and standing is not None:
                await tx.put(replace(standing, begun=True), standing)

    async def find(self, appointment_id: UUID) -> Reservation:
        async with self.store.look() as look:
            claim = await look.claim(appointment_id)
        if claim is None:
            raise NoSuchReservation
        return claim.reservation()

    async def live(self, limit: int, after: tuple[str, ...] | None) -> list[Reservation]:
        """In the order of appointment ids; one more than `limit`, if there is."""
        return [claim.reservation() for claim in await self.store.reservations(limit + 1, after)]


async def make_way(tx: Transaction, case: Case, doctor_id: UUID) -> None:
    """Drops the holds that a booking does away with."""
    viewer_id = case.view.viewer_id
    own = await tx.holds_of(viewer_id) if case.service.is_capped and viewer_id else []
    for hold in case.giving_way(doctor_id, own):
        await tx.drop(hold)


def seen_by(wish: ReserveTime) -> dict[UUID, int]:
    """The versions of the rules as the one who asks knows them."""
    named = {wish.doctor_id: wish.doctor_version} if wish.doctor_id else {}
    return {wish.service_id: wish.service_version, **named}


def counts(service: Service, doctor_ids: list[UUID]) -> list[UUID]:
    """What must be counted by one at a time: the visits of a doctor for a service that has caps."""
    return [derive_id(doctor_id, service.id, "caps") for doctor_id in doctor_ids] if service.is_capped else []
