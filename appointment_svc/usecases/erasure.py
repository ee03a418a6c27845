"""Erasing the identity of patients in their appointments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.domain.transitions import ACTIVE, AppointmentStatus
from appointment_svc.ports import ErasableAppointmentStore, StoredAppointment
from appointment_svc.usecases.reconcile import SYSTEM_ACTOR
from appointment_svc.usecases.row_changes import retry_on_row_changed
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.erasures import ErasureReports, StoredAnswers
from shared.contracts.events import PatientErased
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort

BATCH = 100


@dataclass(frozen=True, slots=True)
class AppointmentErasure:
    """Cancels what lies ahead of an erased patient, and removes names and texts from all of their appointments."""

    store: ErasableAppointmentStore
    synchronizer: CalendarSynchronizer
    answers: StoredAnswers
    reports: ErasureReports
    now: Clock

    async def erase(self, event: PatientErased) -> None:
        """Erase what there is, and report it to patient-service. Raises Unavailable; a repeated event finds nothing more to erase.

        One appointment that fails does not keep the others from being erased.
        """
        changed, failed = 0, 0
        async for appointment in self._list_all(event.patient_id):
            try:
                changed += await self.erase_appointment(appointment)
            except Unavailable:
                failed += 1
        stored_answers = await self.delete_answers(event.patient_id)
        if failed:
            raise Unavailable(f"{failed} appointments could not be erased.", retry_after=2)
        await self.reports.send(event, {"appointments": changed, "stored_answers": stored_answers})

    async def _list_all(self, patient_id: UUID) -> AsyncIterator[StoredAppointment]:
        after: StoredAppointment | None = None
        while page := await self._list(patient_id, after):
            for appointment in page:
                yield appointment
            after = page[-1]

    @retry_on_abort
    async def _list(self, patient_id: UUID, after: StoredAppointment | None) -> Sequence[StoredAppointment]:
        return await self.store.list_of_patient(patient_id, BATCH, after)

    @retry_on_abort
    async def erase_appointment(self, stored: StoredAppointment) -> int:
        """Cancel an appointment that lies ahead, and remove name and texts; return 1 if there was something to erase.

        Raises Unavailable for one that this release cannot read.
        """
        if not isinstance(stored, Appointment):
            raise Unavailable("An appointment cannot be read by this release.", retry_after=60)

        async def erase_once() -> int:
            current = await self.synchronizer.complete_before_change(await self.store.get(stored.id))
            if current.status in ACTIVE and current.starts_at > self.now():
                current = await self.store.save(current.end(AppointmentStatus.CANCELLED, self._change()))
            current = await self.synchronizer.complete_after_change(current)
            erased = current.erase(self._change())
            if erased == current:
                return 0
            await self.store.save_erased(erased)
            return 1

        return await retry_on_row_changed(erase_once)

    @retry_on_abort
    async def delete_answers(self, patient_id: UUID) -> int:
        """Delete the answers that are stored for Idempotency-Keys and name a patient; return how many."""
        return await self.answers.delete_mentioning(patient_id)

    def _change(self) -> Change:
        return Change(SYSTEM_ACTOR, self.now(), new_id(), event_id=new_id())
