"""Synchronising an appointment with its reservation in the calendar.

Requests, jobs and the consumer of leaves all use this one class, so the code that starts an operation also finishes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.calendar_sync import Intent, IntentKind
from appointment_svc.domain.recording import Change
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.sync_decisions import (
    AnswerKind,
    CalendarAnswer,
    SyncAction,
    answer_to_comparison,
    answer_to_request,
    next_action,
    reservation_request,
)
from appointment_svc.domain.sync_outcomes import NEEDS_DOCTOR, SyncStep, apply_action, has_unused_grant
from appointment_svc.ports import AppointmentStore, Calendar, DoctorLookup, RowChanged
from shared.contracts.derived_ids import derive_id
from shared.contracts.http import Actor, Reservation
from shared.contracts.refusals import Conflict, Invalid, Refusal, Unavailable
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event


@dataclass(frozen=True, slots=True)
class CalendarSynchronizer:
    """Sends requests to the calendar, and saves the outcome for which the decision table in `domain/sync_decisions.py` decides."""

    store: AppointmentStore
    calendar: Calendar
    doctors: DoctorLookup
    now: Clock

    async def complete_pending(self, appointment: Appointment) -> Appointment:
        """Carry out the intent of an appointment and return the appointment without it.

        A refusal of the calendar is stored in the appointment, not raised; `already_applied` raises it. Raise Unavailable when the
        calendar does not answer: the intent stays, and the retry job tries again.
        """
        while appointment.sync.intent is not None:
            intent = appointment.sync.intent
            answer = await self._carry_out(appointment, intent)
            step = SyncStep(appointment, answer, intent.change(self.now(), event_id=new_id()))
            outcome = await self._compute_outcome(next_action(appointment, answer), step)
            try:
                appointment = await self.store.save(outcome)
            except RowChanged:
                appointment = await self.store.get(appointment.id)
                if has_unused_grant(outcome, appointment):
                    await self.calendar.release(appointment.id, outcome.sync.revision)
        return appointment

    async def complete_before_change(self, appointment: Appointment) -> Appointment:
        """Complete what is pending before anything else changes the appointment. A release can wait."""
        return appointment if _can_wait(appointment) else await self.complete_pending(appointment)

    async def complete_after_change(self, appointment: Appointment) -> Appointment:
        """Complete what a change left pending. Raise Unavailable if the calendar does not answer, unless only a release is left."""
        try:
            return await self.complete_pending(appointment)
        except Unavailable:
            if _can_wait(appointment):
                return await self.store.get(appointment.id)
            raise

    async def compare(self, appointment: Appointment, actor: Actor, *, after_leave: bool) -> Appointment:
        """Ask the calendar for the reservation of an appointment without a pending request, and act on any difference.

        `after_leave` tells that an event announced a change of the reservation. Raise RowChanged if the appointment changes meanwhile.
        """
        reservation = await self.calendar.find(appointment.id)
        answer = answer_to_comparison(appointment, reservation, after_leave=after_leave)
        action = next_action(appointment, answer)
        change = Change(actor, self.now(), operation_id=derive_id(appointment.id, answer.revision, "leave"), event_id=new_id())
        outcome = await self._compute_outcome(action, SyncStep(appointment, answer, change))
        if outcome == appointment:
            return appointment
        completed = await self.complete_after_change(await self.store.save(outcome))
        if action is SyncAction.RECLAIM and completed.sync.is_refused(change.operation_id):
            log_event("appointment_without_reservation", logging.ERROR, appointment=str(appointment.id))
        return completed

    async def _carry_out(self, appointment: Appointment, intent: Intent) -> CalendarAnswer:
        if intent.kind is IntentKind.RELEASE:
            await self.calendar.release(appointment.id, intent.revision)
            return CalendarAnswer(AnswerKind.RELEASE_CONFIRMED)
        try:
            return answer_to_request(intent, await self.calendar.reserve(appointment.id, reservation_request(appointment, intent)))
        except (Conflict, Invalid) as refusal:
            return answer_to_request(intent, refusal)

    async def _compute_outcome(self, action: SyncAction, step: SyncStep) -> Appointment:
        doctor = None
        if action in NEEDS_DOCTOR and step.answer.reservation is not None:
            intent = step.appointment.sync.intent
            known = intent.doctor if intent else step.appointment.doctor
            doctor = await self._get_doctor(step.answer.reservation, known)
            newest = await self.store.find_doctor(doctor.id)
            if newest is not None and newest.version > doctor.version and action is not SyncAction.CONFIRM_RECLAIM:
                doctor = newest  # a reclaim publishes no event that could tell what has changed
        return apply_action(action, replace(step, doctor=doctor))

    async def _get_doctor(self, reservation: Reservation, known: DoctorSnapshot | None) -> DoctorSnapshot:
        """Return the doctor of a reservation. Raise Unavailable if doctor-service does not have them: a later attempt asks again."""
        if known is not None and known.id == reservation.doctor_id:
            return known
        try:
            return DoctorSnapshot.of(await self.doctors.get_doctor(reservation.doctor_id))
        except Refusal as error:
            raise Unavailable("The doctor's details are not available.", retry_after=2) from error


def _can_wait(appointment: Appointment) -> bool:
    intent = appointment.sync.intent
    return intent is None or intent.kind is IntentKind.RELEASE
