"""Finishing what was begun: one function for the request and for the job."""

from __future__ import annotations

from dataclasses import dataclass

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.intents import Kind
from appointment_svc.domain.refusals import NoSuchAppointment
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.ports import Doctors, Overtaken, Slots, Store
from shared.contracts.http import Reservation
from shared.contracts.refusals import Conflict, Invalid, Refusal, Unavailable
from shared.kit.clock import Clock

RELEASED = "reservation_released"  # the calendar's word for a wish that is older than the release


@dataclass(frozen=True, slots=True)
class Settling:
    store: Store
    slots: Slots
    doctors: Doctors
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

    async def settled_first(self, appointment: Appointment) -> Appointment:
        """A time that was asked for is had or refused before anything else begins; one that is given back can wait."""
        return appointment if _can_wait(appointment) else await self.settled(appointment)

    async def settled_after(self, appointment: Appointment) -> Appointment:
        """Time given back may be given back later; a move or a restoration without the calendar's answer is told as such."""
        try:
            return await self.settled(appointment)
        except Unavailable:
            if _can_wait(appointment):
                return await self.again(appointment)
            raise

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
            gone = refusal.code == RELEASED
            return appointment.overtaken(None, self.now()) if gone else appointment.denied(refusal, self.now())
        if not appointment.intent.is_met_by(reservation):
            return appointment.overtaken(reservation, self.now())
        doctor = appointment.intent.doctor or await self._found(reservation)
        return appointment.granted(reservation, doctor, self.now())

    async def _found(self, reservation: Reservation) -> DoctorSnapshot:
        """The doctor whom the calendar chose. Without the card it is as if nobody had answered: it will choose the same one again."""
        try:
            return DoctorSnapshot.of(await self.doctors.doctor(reservation.doctor_id))
        except Refusal as why:
            raise Unavailable("The doctor's card cannot be had.", retry_after=2) from why


def _can_wait(appointment: Appointment) -> bool:
    return appointment.intent is None or appointment.intent.kind is Kind.RELEASE
