"""Making the appointments of a merged patient those of the patient into whom they were merged."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.domain.snapshots import PatientSnapshot
from appointment_svc.ports import MergeableAppointmentStore, MergedPatient, PatientLookup, StoredAppointment
from appointment_svc.usecases.doctors import TIME_TO_STORE_BOOKINGS
from appointment_svc.usecases.erasure import AppointmentErasure
from appointment_svc.usecases.reconcile import SYSTEM_ACTOR
from appointment_svc.usecases.row_changes import retry_on_row_changed
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import PatientMerged
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort, retry_transaction

BATCH = 100


@dataclass(frozen=True, slots=True)
class MergeFollower:
    """The event stores who was merged, and a job changes the appointments, so that a stopped process leaves nothing undone.

    An appointment is changed once: afterwards it is no longer one of the old patient. `reviewed` are the merged patients whose appointments
    this instance has changed, as far as they were stored at that moment.
    """

    store: MergeableAppointmentStore
    synchronizer: CalendarSynchronizer
    patients: PatientLookup
    erasure: AppointmentErasure
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

        The patient stays in the list until a run after that minute finds no appointment.
        """
        is_complete = self.now() - merged.stored_at >= TIME_TO_STORE_BOOKINGS
        if not is_complete and merged.id in self.reviewed:
            return 0
        found, changed = await self._review_appointments(merged)
        if is_complete and not found:
            await self.erasure.delete_answers(merged.id)
            await retry_transaction(lambda: self.store.mark_patient_followed(merged.id))
            self.reviewed.discard(merged.id)
        elif found == changed:
            self.reviewed.add(merged.id)
        return changed

    async def _review_appointments(self, merged: MergedPatient) -> tuple[int, int]:
        """Change the appointments that the old patient still has; return how many were found, and how many of these were changed."""
        found = changed = 0
        target: PatientSnapshot | None = None
        async for appointment in self._appointments_of(merged.id):
            found += 1
            if isinstance(appointment, Appointment):  # one that this release cannot read stays as it is
                target = target or await self._find_target(merged)
                changed += await self._try_to_change(appointment, target)
        return found, changed

    async def _find_target(self, merged: MergedPatient) -> PatientSnapshot:
        """Return the patient who has the data now. Where that patient was erased meanwhile, the snapshot is that of an erased one."""
        target = await self.patients.find_current(merged.into_id)
        if target is not None:
            return PatientSnapshot.of(target)
        log_event("merge_target_erased", patient=str(merged.id), into=str(merged.into_id))
        return PatientSnapshot.erased(merged.into_id)

    async def _appointments_of(self, patient_id: UUID) -> AsyncIterator[StoredAppointment]:
        after: StoredAppointment | None = None
        while page := await self._list_page(patient_id, after):
            for appointment in page:
                yield appointment
            after = page[-1]

    @retry_on_abort
    async def _list_page(self, patient_id: UUID, after: StoredAppointment | None) -> Sequence[StoredAppointment]:
        return await self.store.list_of_patient(patient_id, BATCH, after)

    async def _try_to_change(self, appointment: Appointment, target: PatientSnapshot) -> bool:
        """Return whether the appointment is the target's now. What is erased is erased first, so that a stopped process forgets nothing."""
        try:
            if target.is_erased:
                await self.erasure.erase_appointment(appointment)
            await self._change(appointment.id, target)
        except Refusal as refusal:
            log_event("appointment_postponed", appointment=str(appointment.id), code=refusal.code)
            return False
        except Exception as error:
            log_event("appointment_job_failed", logging.ERROR, error=error, appointment=str(appointment.id))
            return False
        return True

    @retry_on_abort
    async def _change(self, appointment_id: UUID, target: PatientSnapshot) -> None:
        operation_id = derive_id(appointment_id, target.id, "patient")

        async def change_once() -> None:
            current = await self.synchronizer.complete_before_change(await self.store.get(appointment_id))
            changed = current.change_patient(target, Change(SYSTEM_ACTOR, self.now(), operation_id, event_id=new_id()))
            if changed != current:
                await self.store.save(changed)

        await retry_on_row_changed(change_once)
