"""Periodic work: retry pending requests, expire unanswered ones, and compare appointments with the calendar."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.ports import AppointmentStore, Calendar, RowChanged, StoredAppointment, UnreadableAppointment
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.http import Actor, Reservation
from shared.contracts.identity import Service, system_caller
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_transaction

BATCH = 100
MAX_RELEASED_SHARE = 0.01  # of the reservations compared, if that is more than `max_releases`
LONGEST_PAUSE = timedelta(minutes=1)  # so that a booking is completed within a minute after the calendar answers again


def _do_not_count() -> None:
    """Count nothing, where there are no metrics."""


SYSTEM_ACTOR = Actor.from_caller(system_caller(Service.APPOINTMENT))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """An appointment that has an intent, or changed within `retry_after`, is left to the request that is working on it.

    A comparison that would release more than `max_releases` reservations is stopped, and counted by `count_stopped`.
    """

    store: AppointmentStore
    calendar: Calendar
    synchronizer: CalendarSynchronizer
    now: Clock
    retry_after: timedelta
    max_releases: int = 20
    count_stopped: Callable[[], None] = _do_not_count

    async def retry_pending(self) -> int:
        """Complete intents that were left because a process stopped or the calendar did not answer; return how many were tried.

        Before the job tries an appointment, it postpones it by the time since its request, so that those that keep failing do not delay
        newer ones. Those that cannot be read are only postponed.
        """
        pending = await retry_transaction(lambda: self.store.list_pending(self.now() - self.retry_after, BATCH))
        return sum([await _try(appointment.id, partial(self._complete, appointment)) for appointment in pending])

    async def expire_requests(self) -> int:
        """Expire requests that were not answered before their start; return how many."""
        expired, now, after = 0, self.now(), None
        while page := await retry_transaction(partial(self.store.list_unanswered, now, BATCH, after)):
            expired += sum([await _try(appointment.id, partial(self._expire, appointment)) for appointment in _readable(page)])
            after = page[-1]
        return expired

    async def reconcile(self) -> int:
        """Compare the live reservations and the appointments that are not over, both ways, and correct the differences.

        A reservation without its appointment is released. For an appointment without its reservation the decision table decides. If too
        many reservations have no appointment, one of the databases is not what it should be, for example an old backup. Then nothing is
        corrected, because a release cannot be undone, and an error in the log calls for a person; README.md says what to do then. Return 0:
        the job compares everything in one run and need not be run again at once.
        """
        reservations, orphans = dict[UUID, Reservation](), list[Reservation]()
        async for page in self._reservation_pages():
            orphans += await self._orphans(page)
            reservations |= {reservation.appointment_id: reservation for reservation in page}
        if len(orphans) > max(self.max_releases, MAX_RELEASED_SHARE * len(reservations)):
            log_event("reconcile_stopped", logging.ERROR, orphans=len(orphans), reservations=len(reservations))
            self.count_stopped()
            return 0
        corrected = sum([await _try(orphan.appointment_id, partial(self._release, orphan)) for orphan in orphans])
        async for appointments in self._appointment_pages():
            for appointment in _readable(appointments):
                corrected += await _try(appointment.id, partial(self._correct, appointment, reservations.get(appointment.id)))
        if corrected:
            log_event("reservations_corrected", logging.WARNING, count=corrected)
        return 0

    async def _complete(self, appointment: StoredAppointment) -> int:
        if isinstance(appointment, UnreadableAppointment):
            await self.store.postpone(appointment, self.now() - self.retry_after + LONGEST_PAUSE)
            return 1
        assert appointment.sync.intent is not None
        pause = min(self.now() - appointment.sync.intent.since, LONGEST_PAUSE)
        await self.store.postpone(appointment, self.now() - self.retry_after + pause)
        await self.synchronizer.complete_pending(appointment)
        return 1

    async def _expire(self, appointment: Appointment) -> int:
        change = Change(SYSTEM_ACTOR, self.now(), operation_id=new_id(), event_id=new_id())
        await self.synchronizer.complete_after_change(await self.store.save(appointment.expire(change)))
        return 1

    async def _reservation_pages(self) -> AsyncIterator[list[Reservation]]:
        now = self.now()
        page, after = await self.calendar.list_live(now, None)
        yield page
        while after is not None:
            page, after = await self.calendar.list_live(now, after)
            yield page

    async def _appointment_pages(self) -> AsyncIterator[Sequence[StoredAppointment]]:
        now, after = self.now(), None
        while page := await self.store.list_upcoming(now, BATCH, after):
            yield page
            after = page[-1]

    async def _orphans(self, reservations: list[Reservation]) -> list[Reservation]:
        appointments = await self.store.find_many([reservation.appointment_id for reservation in reservations])
        return [reservation for reservation in reservations if self._is_orphan(appointments.get(reservation.appointment_id))]

    async def _release(self, reservation: Reservation) -> int:
        await self.calendar.release(reservation.appointment_id, reservation.revision)
        return 1

    def _is_orphan(self, appointment: StoredAppointment | None) -> bool:
        """A reservation whose appointment cannot be read is no orphan: it stays."""
        if isinstance(appointment, UnreadableAppointment):
            return False
        return appointment is None or not (appointment.has_reservation or self._is_fresh(appointment))

    async def _correct(self, appointment: Appointment, reservation: Reservation | None) -> int:
        if _is_as_reserved(appointment, reservation):
            return 0
        current = await self.store.get(appointment.id)
        if self._is_fresh(current) or not current.has_reservation or _is_as_reserved(current, reservation):
            return 0
        return int(await self.synchronizer.compare(current, SYSTEM_ACTOR, after_leave=False) != current)

    def _is_fresh(self, appointment: Appointment) -> bool:
        return appointment.sync.intent is not None or appointment.updated_at > self.now() - self.retry_after


def _is_as_reserved(appointment: Appointment, reservation: Reservation | None) -> bool:
    if reservation is None or appointment.patient_id != reservation.patient_id:
        return False
    return appointment.slot == (reservation.starts_at, reservation.doctor_id)


def _readable(page: Iterable[StoredAppointment]) -> list[Appointment]:
    return [appointment for appointment in page if isinstance(appointment, Appointment)]


async def _try(appointment_id: UUID, work: Callable[[], Awaitable[int]]) -> int:
    """Do the work for one appointment; a failure is logged and does not stop the others. RowChanged leaves it to another process."""
    try:
        return await retry_transaction(work)
    except RowChanged:
        return 0
    except Refusal as refusal:
        log_event("appointment_postponed", appointment=str(appointment_id), code=refusal.code)
    except Exception as error:
        log_event("appointment_job_failed", logging.ERROR, error=error, appointment=str(appointment_id))
    return 0
