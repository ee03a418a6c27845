"""Booking: the wish on paper first, then the calendar, then the outcome. Two writes, because a process may die between them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.snapshots import Cards
from appointment_svc.domain.wishes import Wish
from appointment_svc.ports import Doctors, Patients, Store
from appointment_svc.usecases.settle import Settling
from shared.contracts.http import Actor, DoctorRules
from shared.contracts.identity import Caller
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Booking:
    store: Store
    settling: Settling
    doctors: Doctors
    patients: Patients
    now: Clock
    most_active: int

    async def book(self, wish: Wish, by: Caller, appointment_id: UUID) -> Appointment:
        """The appointment booked or requested, or still pending when the calendar did not answer in time.

        A repeated wish (same id) meets its own appointment, and a refused one its refusal.
        """
        appointment = await self.store.find(appointment_id) or await self._asked(wish, by, appointment_id)
        try:
            appointment = await self.settling.settled(appointment)
        except Unavailable:
            appointment = await self.settling.again(appointment)
        appointment.did(appointment_id)
        return appointment

    async def _asked(self, wish: Wish, by: Caller, appointment_id: UUID) -> Appointment:
        patient_id = rules.patient_of(by, wish.patient_id)
        doctor, service, patient, open_ones = await asyncio.gather(
            self._doctor(wish.doctor_id),
            self.doctors.service(wish.service_id),
            self.patients.card(patient_id),
            self.store.open_of(patient_id, self.now()),
        )
        cards = Cards(service, doctor, patient)
        rules.may_be_booked(by, cards, open_ones, self.most_active)
        asked = Appointment.asked(appointment_id, cards, wish, Actor.from_caller(by), self.now())
        added = await self.store.add(asked)
        return asked if added else await self.settling.again(asked)

    async def _doctor(self, doctor_id: UUID | None) -> DoctorRules | None:
        """Where nobody was named the calendar says who is free."""
        return await self.doctors.doctor(doctor_id) if doctor_id else None
