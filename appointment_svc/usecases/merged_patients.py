"""Making the appointments of a merged patient those of the patient into whom they were merged."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.domain.snapshots import PatientSnapshot
from appointment_svc.ports import MergeableAppointmentStore, MergedPatient, PatientLookup, StoredAppointment, UnreadableAppointment
from appointment_svc.usecases.reconcile import SYSTEM_ACTOR
from appointment_svc.usecases.row_changes import retry_on_row_changed
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import PatientMerged
from shared.contracts.refusals import NotFound, Refusal
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort, retry_transaction

BATCH = 100
TIME_TO_STORE_BOOKINGS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MergeFollower:
    """The event stores who was merged, and a job changes the appointments, so that a stopped process leaves nothing undone.

    An appointment is changed once: afterwards it is no longer one of the old patient. `reviewed` are the merged patients whose appointments
    this instance has changed, as far as they were stored at that moment.
    """

    store: MergeableAppointmentStore
    synchronizer: CalendarSynchronizer
    patients: PatientLookup
    now: Clock
    reviewed: set[UUID] = field(default_factory=set)

    @retry_on_abort
    async def note_merge(self, event: PatientMerged) -> None:
        """Store who was merged into whom; an event that comes twice changes nothing."""
        await self.store.save_merged_patient(event.patient_id, event.into, self.now())

    async def follow_merges(self) -> int:
        """Change the appointments of merged patients and return how many. Failures leave the patient for the next run."""
        count, after = 0, None
        while page := await retry_transaction(partial(self.store.list_merged_patients, BATCH, after)):
            count += sum([await self._try_to_follow(merged) for merged in page])
            after = page[-1].id
        return count

    async def _try_to_follow(self, merged: MergedPatient) -> int:
        """Change the appointments of one patient. A failure is logged, so that it does not stop the other patients."""
        try:
            return await self._follow_merge(merged)
        except Refusal as refusal:
            log_event("merge_postponed", patient=str(merged.id), code=refusal.code)
        except Exception as error:
            log_event("merge_job_failed", logging.ERROR, error=error, patient=str(merged.id))
        return 0

    async def _follow_merge(self, merged: MergedPatient) -> int:
        """Change the appointments at once, and again after a minute: a booking that read the old profile may be stored later.

        The patient stays in the list until the second review has ended without a failure.
        """
        is_second = self.now() - merged.stored_at >= TIME_TO_STORE_BOOKINGS
        if not is_second and merged.id in self.reviewed:
            return 0
        target, failures, count = await self._find_target(merged.into_id), 0, 0
        async for appointment in self._appointments_of(merged.id):
            is_changed = await self._try_to_change(appointment, target)
            failures += is_changed is None
            count += is_changed is True
        if failures:
            return count
        if is_second:
            await retry_transaction(lambda: self.store.mark_patient_followed(merged.id))
            self.reviewed.discard(merged.id)
        else:
            self.reviewed.add(merged.id)
        return count

    async def _find_target(self, patient_id: UUID) -> PatientSnapshot:
        """Return the patient who has the data now: a target may itself have been merged later. Raises NoSuchPatient."""
        while True:
            try:
                return PatientSnapshot.of(await self.patients.get_summary(patient_id))
            except NotFound:
                successor_id = await self._find_successor(patient_id)
                if successor_id is None:
                    raise
                patient_id = successor_id

    @retry_on_abort
    async def _find_successor(self, patient_id: UUID) -> UUID | None:
        return await self.store.find_successor(patient_id)

    async def _appointments_of(self, patient_id: UUID) -> AsyncIterator[StoredAppointment]:
        after: StoredAppointment | None = None
        while page := await self._list_page(patient_id, after):
            for appointment in page:
                yield appointment
            after = page[-1]

    @retry_on_abort
    async def _list_page(self, patient_id: UUID, after: StoredAppointment | None) -> Sequence[StoredAppointment]:
        return await self.store.list_of_patient(patient_id, BATCH, after)

    async def _try_to_change(self, appointment: StoredAppointment, target: PatientSnapshot) -> bool | None:
        """Return whether the appointment was changed, or None if that failed."""
        if isinstance(appointment, UnreadableAppointment):
            return None
        try:
            return await self._change(appointment.id, target)
        except Refusal as refusal:
            log_event("appointment_postponed", appointment=str(appointment.id), code=refusal.code)
        except Exception as error:
            log_event("appointment_job_failed", logging.ERROR, error=error, appointment=str(appointment.id))
        return None

    @retry_on_abort
    async def _change(self, appointment_id: UUID, target: PatientSnapshot) -> bool:
        operation_id = derive_id(appointment_id, target.id, "patient")

        async def change_once() -> bool:
            current: Appointment = await self.synchronizer.complete_before_change(await self.store.get(appointment_id))
            changed = current.change_patient(target, Change(SYSTEM_ACTOR, self.now(), operation_id, event_id=new_id()))
            if changed == current:
                return False
            await self.store.save(changed)
            return True

        return await retry_on_row_changed(change_once)
