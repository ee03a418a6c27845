"""Finishing what was begun: one function for the request and for the job."""

from __future__ import annotations

from dataclasses import dataclass

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.intents import Kind
from appointment_svc.domain.refusals import NoSuchAppointment
from appointment_svc.ports import Overtaken, Slots, Store
from shared.contracts.refusals import Conflict, Invalid
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Settling:
    store: Store
    slots: Slots
    now: Clock

    async def settled(self, appointment: Appointment) -> Appointment:
        """Does what the intent says, and writes down the outcome: a refusal is one too, and stays in the appointment (`did`).

        Raises Unavailable when the calendar does not answer: the intent stands, and the job comes back to it.
        """
        while appointment.intent is not None:
            outcome = await self._outcome(appointment)
            try:
                appointment = await self.store.save(outcome)
            except Overtaken:
                appointment = await self.again(appointment)
                await self._give_back(appointment, outcome)
        return appointment

    async def again(self, appointment: Appointment) -> Appointment:
        """As it stands now."""
        current = await self.store.find(appointment.id)
        if current is None:
            raise NoSuchAppointment
        return current

    async def _give_back(self, standing: Appointment, outcome: Appointment) -> None:
        """What was granted to one that another found refused, or that was cancelled meanwhile, is nobody's."""
        if outcome.holds_time and not standing.holds_time and standing.intent is None:
            await self.slots.release(standing.id, outcome.revision)

    async def _outcome(self, appointment: Appointment) -> Appointment:
        assert appointment.intent is not None
        if appointment.intent.kind is Kind.RELEASE:
            await self.slots.release(appointment.id, appointment.intent.revision)
            return appointment.released()
        try:
            reservation = await self.slots.reserve(appointment.id, appointment.wish())
        except (Conflict, Invalid) as refusal:
            return appointment.denied(refusal, self.now())
        return appointment.granted(reservation, self.now())
