"""Booking: store the request, ask the calendar, store the outcome. Two writes, because the process may stop between them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.booking import BookingParties, BookingRequest
from appointment_svc.domain.recording import Change
from appointment_svc.domain.refusals import TooManyActive
from appointment_svc.domain.visit_links import LinkTokens
from appointment_svc.ports import AppointmentStore, DoctorLookup, PatientLookup
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.http import Actor, DoctorRules, PatientSummary
from shared.contracts.identity import Caller
from shared.contracts.refusals import NotFound, Unavailable
from shared.contracts.relayed_refusals import PatientWasMerged
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Booking:
    """`max_active` is the number of active appointments that one patient may have ahead."""

    store: AppointmentStore
    synchronizer: CalendarSynchronizer
    doctors: DoctorLookup
    patients: PatientLookup
    now: Clock
    max_active: int
    link_tokens: LinkTokens

    @retry_on_abort
    async def book(self, request: BookingRequest, caller: Caller, appointment_id: UUID) -> Appointment:
        """Return the appointment as booked or requested, or still pending if the calendar did not answer in time.

        A repeated request has the same id: it finds its own appointment, and raises the same refusal again. Raises PatientWasMerged for
        staff who name a patient who was merged into another one.
        """
        appointment = await self.store.find(appointment_id)
        if appointment is None:
            appointment = await self._insert_pending(request, caller, appointment_id)
        else:
            await self._require_may_see(caller, appointment.patient_id)
        try:
            appointment = await self.synchronizer.complete_pending(appointment)
        except Unavailable:
            appointment = await self.store.get(appointment_id)
        appointment.already_applied(appointment_id)
        return appointment

    @retry_on_abort
    async def check_repeated(self, patient_id: UUID | None, caller: Caller, appointment_id: UUID) -> None:
        """Raise NoSuchPatient if the caller may no longer book for the patient of a request that was answered before.

        `patient_id` is the one that the request names; the appointment, if it was stored, may be one of another patient since. Raises
        Unavailable if patient-service, which knows the guardians, does not answer.
        """
        appointment = await self.store.find(appointment_id)
        await self._require_may_see(caller, (patient_id or caller.id) if appointment is None else appointment.patient_id)

    async def _require_may_see(self, caller: Caller, patient_id: UUID) -> None:
        if rules.could_be_guardian(caller, patient_id):
            rules.require_may_book(caller, await self.patients.get_summary(patient_id))

    async def _insert_pending(self, request: BookingRequest, caller: Caller, appointment_id: UUID) -> Appointment:
        patient_id = rules.patient_to_book(caller, request.patient_id)
        doctor, service, patient = await asyncio.gather(
            self._get_doctor(request.chosen_doctor_id),
            self.doctors.get_service_type(request.service_id),
            self._get_patient(caller, patient_id),
        )
        rules.require_may_book(caller, patient)
        parties = BookingParties(service, doctor, patient)
        rules.require_bookable(caller, parties)
        if not await self.store.take_place(patient_id, appointment_id, self.max_active, self.now()):
            raise TooManyActive(limit=self.max_active)
        change = Change(Actor.from_caller(caller), self.now(), operation_id=appointment_id, event_id=new_id())
        appointment = Appointment.requested(appointment_id, parties, request, change)
        link_hash = self.link_tokens.hash_for(appointment_id, patient_id)
        return appointment if await self.store.insert(appointment, link_hash) else await self.store.get(appointment_id)

    async def _get_patient(self, caller: Caller, patient_id: UUID) -> PatientSummary:
        """Return the patient. Staff who name one who was merged are told into whom; others learn nothing of either."""
        try:
            return await self.patients.get_summary(patient_id)
        except NotFound:
            if caller.is_staff and (current := await self.patients.find_current(patient_id)) is not None:
                raise PatientWasMerged(merged_into=str(current.id)) from None
            raise

    async def _get_doctor(self, doctor_id: UUID | None) -> DoctorRules | None:
        return await self.doctors.get_doctor(doctor_id) if doctor_id else None
