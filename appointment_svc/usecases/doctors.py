"""Bringing a doctor's new name or place to their upcoming appointments."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.ports import AppointmentStore, ChangedDoctor, StoredAppointment, UnreadableAppointment
from appointment_svc.usecases.reconcile import SYSTEM_ACTOR
from appointment_svc.usecases.row_changes import retry_on_row_changed
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import DoctorChanged
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort, retry_transaction

BATCH = 100
TIME_TO_STORE_BOOKINGS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DoctorFollower:
    """The event stores what has changed, and a job changes the appointments, so that a stopped process leaves nothing undone.

    Each appointment is changed once: it knows the version of the doctor that it shows. `reviewed` are the versions of doctors, by id, for
    which this instance has changed all appointments that were stored at that moment.
    """

    store: AppointmentStore
    synchronizer: CalendarSynchronizer
    now: Clock
    reviewed: dict[UUID, int] = field(default_factory=dict)

    @retry_on_abort
    async def note_doctor(self, event: DoctorChanged) -> None:
        """Store the doctor's name and place; events that come late or twice change nothing."""
        await self.store.save_doctor(DoctorSnapshot.of(event.rules), self.now())

    async def follow_doctors(self) -> int:
        """Change the upcoming appointments of changed doctors and return how many. Failures leave the doctor for the next run."""
        count, after = 0, None
        while page := await retry_transaction(partial(self.store.list_changed_doctors, BATCH, after)):
            count += sum([await self._try_to_follow(changed) for changed in page if isinstance(changed, ChangedDoctor)])
            after = page[-1].id
        return count

    async def _try_to_follow(self, changed: ChangedDoctor) -> int:
        """Change the appointments of one doctor. A failure is logged, so that it does not stop the other doctors."""
        try:
            return await self._follow_doctor(changed)
        except Refusal as refusal:
            log_event("doctor_postponed", doctor=str(changed.doctor.id), code=refusal.code)
        except Exception as error:
            log_event("doctor_job_failed", logging.ERROR, error=error, doctor=str(changed.doctor.id))
        return 0

    async def _follow_doctor(self, changed: ChangedDoctor) -> int:
        """Change the appointments at once, and again after a minute: a booking that read the old name or place may be stored later.

        The doctor stays in the list until the second review has ended without a failure.
        """
        doctor, is_second = changed.doctor, self.now() - changed.stored_at >= TIME_TO_STORE_BOOKINGS
        if not is_second and self.reviewed.get(doctor.id) == doctor.version:
            return 0
        count, failures = await self._review_appointments(doctor)
        if not failures and is_second:
            await retry_transaction(lambda: self.store.mark_followed(doctor))
            self.reviewed.pop(doctor.id, None)
        elif not failures:
            self.reviewed[doctor.id] = doctor.version
        return count

    async def _review_appointments(self, doctor: DoctorSnapshot) -> tuple[int, int]:
        """Change the upcoming appointments that show something older; return how many, and how many could not be read or changed."""
        count = failures = 0
        async for appointment in self._appointments_ahead(doctor.id):
            if isinstance(appointment, UnreadableAppointment):
                failures += 1
                continue
            try:
                count += await self._follow(appointment, doctor)
            except Refusal as refusal:
                failures += 1
                log_event("appointment_postponed", appointment=str(appointment.id), code=refusal.code)
            except Exception as error:
                failures += 1
                log_event("appointment_job_failed", logging.ERROR, error=error, appointment=str(appointment.id))
        return count, failures

    async def _appointments_ahead(self, doctor_id: UUID) -> AsyncIterator[StoredAppointment]:
        after: StoredAppointment | None = None
        while page := await self._list_ahead(doctor_id, after):
            for appointment in page:
                yield appointment
            after = page[-1]

    @retry_on_abort
    async def _list_ahead(self, doctor_id: UUID, after: StoredAppointment | None) -> Sequence[StoredAppointment]:
        return await self.store.list_ahead_with_doctor(doctor_id, self.now(), BATCH, after)

    @retry_on_abort
    async def _follow(self, appointment: Appointment, doctor: DoctorSnapshot) -> int:
        operation_id = derive_id(appointment.id, doctor.version, "doctor")

        def follow(current: Appointment) -> Appointment:
            return current.follow_doctor(doctor, Change(SYSTEM_ACTOR, self.now(), operation_id, event_id=new_id()))

        async def follow_once() -> int:
            current = await self.synchronizer.complete_before_change(await self.store.get(appointment.id))
            followed = follow(current)
            if followed == current:
                return 0
            await self.store.save(followed)
            return 1

        if appointment.sync.intent is None and follow(appointment) == appointment:
            return 0
        return await retry_on_row_changed(follow_once)
