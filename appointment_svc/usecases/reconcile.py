"""Periodic work: retry pending requests, expire unanswered ones, and compare appointments with the calendar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.ports import Calendar, RowChanged, Store
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.http import Actor, Reservation
from shared.contracts.identity import Service, system_caller
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log, log_event

BATCH = 100
SYSTEM_ACTOR = Actor.of(system_caller(Service.APPOINTMENT))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """An appointment that has an intent, or changed within `retry_after`, is left to the request that is working on it."""

    store: Store
    calendar: Calendar
    synchronizer: CalendarSynchronizer
    now: Clock
    retry_after: timedelta

    async def retry_pending(self) -> int:
        """Carry out intents that a stopped process or a silent calendar left behind; return how many were completed."""
        pending = await self.store.list_pending(self.now() - self.retry_after, BATCH)
        return sum([await self._try_to_complete(appointment) for appointment in pending])

    async def expire_requests(self) -> int:
        """Expire requests that were not answered before their start; return how many."""
        unanswered = await self.store.list_unanswered(self.now(), BATCH)
        return sum([await self._expire(appointment) for appointment in unanswered])

    async def reconcile(self) -> int:
        """Compare all live reservations with all upcoming appointments, both ways, and correct the differences.

        A reservation without its appointment is released. For an appointment without its reservation the decision table decides.
        """
        reservations, corrected = dict[UUID, Reservation](), 0
        async for reservation_page in self._reservation_pages():
            corrected += await self._release_orphans(reservation_page)
            reservations |= {
                reservation.appointment_id: reservation for reservation in reservation_page if reservation.ends_at > self.now()
            }
        async for appointment_page in self._appointment_pages():
            corrected += sum([await self._correct(appointment, reservations.get(appointment.id)) for appointment in appointment_page])
        if corrected:
            log.warning("reservations_corrected", extra={"facts": {"count": corrected}})
        return 0

    async def _try_to_complete(self, appointment: Appointment) -> int:
        try:
            await self.synchronizer.complete_pending(appointment)
        except Refusal as refusal:
            log_event("appointment_still_pending", appointment=str(appointment.id), why=refusal.code)
            return 0
        return 1

    async def _expire(self, appointment: Appointment) -> int:
        change = Change(SYSTEM_ACTOR, self.now(), operation_id=new_id(), event_id=new_id())
        try:
            expired = await self.store.save(appointment.expire(change))
        except RowChanged:
            return 0
        await self._try_to_complete(expired)
        return 1

    async def _reservation_pages(self) -> AsyncIterator[list[Reservation]]:
        page, after = await self.calendar.list_live(None)
        yield page
        while after is not None:
            page, after = await self.calendar.list_live(after)
            yield page

    async def _appointment_pages(self) -> AsyncIterator[list[Appointment]]:
        after: UUID | None = None
        while page := await self.store.list_upcoming(self.now(), BATCH, after):
            yield page
            after = page[-1].id

    async def _release_orphans(self, reservations: list[Reservation]) -> int:
        appointments = await self.store.find_many([reservation.appointment_id for reservation in reservations])
        orphans = [reservation for reservation in reservations if self._is_orphan(appointments.get(reservation.appointment_id))]
        for reservation in orphans:
            await self.calendar.release(reservation.appointment_id, reservation.revision)
        return len(orphans)

    def _is_orphan(self, appointment: Appointment | None) -> bool:
        return appointment is None or not (appointment.has_reservation or self._is_fresh(appointment))

    async def _correct(self, appointment: Appointment, reservation: Reservation | None) -> int:
        if _is_same_slot(appointment, reservation):
            return 0
        current = await self.store.get(appointment.id)
        if self._is_fresh(current) or not current.has_reservation or _is_same_slot(current, reservation):
            return 0
        try:
            corrected = await self.synchronizer.compare(current, SYSTEM_ACTOR, after_leave=False)
        except RowChanged:
            return 0
        return int(corrected != current)

    def _is_fresh(self, appointment: Appointment) -> bool:
        return appointment.sync.intent is not None or appointment.updated_at > self.now() - self.retry_after


def _is_same_slot(appointment: Appointment, reservation: Reservation | None) -> bool:
    return reservation is not None and appointment.slot == (reservation.starts_at, reservation.doctor_id)
