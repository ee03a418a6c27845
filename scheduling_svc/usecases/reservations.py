"""Reserving time for appointments, moving it and releasing it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from scheduling_svc.domain.claims import BookedSlot, Claim, begun_claim, granted_claim, requested_slot
from scheduling_svc.domain.evaluation import SlotEvaluation
from scheduling_svc.domain.refusals import NoSuchReservation
from scheduling_svc.domain.terms import DoctorTerms, ServiceOffer, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import CalendarStore, CalendarTransaction, LostRace
from scheduling_svc.usecases.evaluation import load_alternatives, load_evaluation, require_bookable
from scheduling_svc.usecases.rule_cache import RuleCache, load_offer
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AppointmentEvent
from shared.contracts.grains import GRAIN_MINUTES
from shared.contracts.http import Reservation, ReserveTime
from shared.contracts.relayed_refusals import HoldExpired, HoldMismatch
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

MessageT = TypeVar("MessageT", ReserveTime, AppointmentEvent)


@dataclass(frozen=True, slots=True)
class Reservations:
    """The reservations of appointments."""

    store: CalendarStore
    rules: RuleCache
    now: Clock

    @retry_on_abort
    async def reserve(self, appointment_id: UUID, request: ReserveTime) -> Reservation:
        """Grant the requested time, or move the claim of the appointment to it; a request that was answered before gets the present claim.

        One transaction reads, decides and writes. The primary key of the grain table reports what the reads did not see: a transaction that
        lost a race is rolled back and run again. A request for a patient who was merged into another one is decided as one for that
        patient.
        """
        doctor_ids = None if request.doctor_id is None else [request.doctor_id]
        await self.rules.ensure(request.service_id, doctor_ids, minimum_versions=_seen_versions(request))
        async with self.store.begin() as tx:
            request = await _for_current_patient(tx, request)
            offer = await load_offer(tx, request.service_id, doctor_ids)
            if request.duration_minutes is not None:
                offer = offer.with_duration(request.duration_minutes // GRAIN_MINUTES)
            previous = await tx.find_claim(appointment_id)
            if previous is not None and previous.has_answered(request):
                return previous.reservation()
            if previous is not None and previous.already_holds(request):
                claim = previous.renew(request)
            elif request.begun:
                claim = begun_claim(appointment_id, request, offer.service)
            else:
                slot = await self._grant(tx, offer, request, previous)
                claim = granted_claim(appointment_id, request, slot, previous)
            await tx.save_claim(claim, previous, capacity=offer.service.capacity)
            await _require_current_patient(tx, claim)
            await log_overlap_after_merge(tx, claim, previous)
        return claim.reservation()

    async def _grant(self, tx: CalendarTransaction, offer: ServiceOffer, request: ReserveTime, previous: Claim | None) -> BookedSlot:
        """Return the slot that is granted; raise the refusal if the requested time cannot be booked."""
        await tx.lock(*cap_lock_keys(offer.service, offer.doctors))
        viewer = Viewer.of(
            request.by.caller,
            self.now(),
            patient_id=request.patient_id,
            exclude_appointment_id=previous.id if previous else None,
        )
        evaluation = await load_evaluation(tx, offer, request.starts_at, viewer)
        await self._require_own_hold(tx, evaluation, request)
        doctor = await require_bookable(tx, evaluation)
        await drop_holds(tx, evaluation, doctor.id)
        return requested_slot(request, offer.service, doctor.id)

    async def _require_own_hold(self, tx: CalendarTransaction, evaluation: SlotEvaluation, request: ReserveTime) -> None:
        """Raise HoldMismatch or HoldExpired if the request names a hold that is not for it."""
        if request.hold_id is None:
            return
        hold = await tx.find_hold(request.hold_id)
        if hold is None:
            raise HoldMismatch
        try:
            hold.require_match(request, evaluation.request.viewer.now)
        except HoldExpired:
            raise HoldExpired(alternatives=await load_alternatives(tx, evaluation.request)) from None

    @retry_on_abort
    async def release(self, appointment_id: UUID, revision: int) -> None:
        """Release the time of an appointment. The claim stays as released, so that a request which is still on its way is refused."""
        async with self.store.begin() as tx:
            previous = await tx.find_claim(appointment_id)
            released = previous.release(revision) if previous else Claim(appointment_id, revision, None, live=False)
            await tx.save_claim(released, previous)

    @retry_on_abort
    async def follow_appointment(self, event: AppointmentEvent) -> None:
        """Record whether the visit has begun, so that a leave does not affect it any more, whether the clinic has yet to approve it, and
        who its patient is after a merge.

        The version of the appointment decides what is new, so that events may come twice and in any order.
        """
        async with self.store.begin() as tx:
            previous = await tx.find_claim(event.appointment_id)
            if previous is not None:
                claim = previous.follow(await _for_current_patient(tx, event))
                await tx.save_claim(claim, previous)
                await _require_current_patient(tx, claim)
                await log_overlap_after_merge(tx, claim, previous)

    @retry_on_abort
    async def get(self, appointment_id: UUID) -> Reservation:
        """Return the reservation of an appointment, also a released one; raise NoSuchReservation."""
        async with self.store.read() as calendar:
            claim = await calendar.find_claim(appointment_id)
        if claim is None:
            raise NoSuchReservation
        return claim.reservation()

    @retry_on_abort
    async def list_live(self, limit: int, after: tuple[str, ...] | None, ends_after: datetime | None = None) -> list[Reservation]:
        """Return the live reservations that end after an instant, by end and appointment id: one more than `limit`, if there is one."""
        return [claim.reservation() for claim in await self.store.list_live_claims(limit + 1, after, ends_after)]


async def _for_current_patient(tx: CalendarTransaction, message: MessageT) -> MessageT:
    """Return a message of appointment-service, which may not have followed a merge yet, as one about the patient who has the data now."""
    return message.model_copy(update={"patient_id": await tx.find_current_patient(message.patient_id)})


async def _require_current_patient(tx: CalendarTransaction, claim: Claim) -> None:
    """Raise LostRace if the patient, whose time the claim takes, was merged into another one since this transaction asked.

    A merge stores itself first and then waits for claims that are being stored, so that either it moves the claim or this finds the merge.
    """
    if claim.resource_spans and claim.slot is not None and await tx.lock_merge(claim.slot.patient_id):
        raise LostRace


async def log_overlap_after_merge(tx: CalendarTransaction, claim: Claim, previous: Claim | None) -> None:
    """Log a warning if the claim is of another patient than before, who has another visit at that time."""
    if claim.slot is not None and previous is not None and claim.has_other_patient(previous) and await tx.has_overlap(claim):
        log_event("visits_overlap_after_merge", logging.WARNING, appointment=str(claim.id), patient=str(claim.slot.patient_id))


async def drop_holds(tx: CalendarTransaction, evaluation: SlotEvaluation, doctor_id: UUID) -> None:
    """Drop the holds that a booking with this doctor removes."""
    viewer_id, is_capped = evaluation.request.viewer.id, evaluation.request.service.is_capped
    own_holds = await tx.list_holds_of_owner(viewer_id) if is_capped and viewer_id else []
    for hold in evaluation.removable_holds(doctor_id, own_holds):
        await tx.drop_hold(hold)


def cap_lock_keys(service: ServiceTerms, doctors: Sequence[DoctorTerms]) -> list[UUID]:
    """Return the locks under which the visits of these doctors for a service are counted; none for a service without caps."""
    return [derive_id(doctor.id, service.id, "caps") for doctor in doctors] if service.is_capped else []


def _seen_versions(request: ReserveTime) -> dict[UUID, int]:
    """Return the versions of the rules that the requester has seen, by id; the decision must not be made by older ones."""
    versions = {request.service_id: request.service_version}
    if request.doctor_id:
        versions[request.doctor_id] = request.doctor_version
    return versions
