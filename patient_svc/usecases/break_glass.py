"""Opening a medical history by break-glass, and reading who did and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from patient_svc.domain.access import AccessAction
from patient_svc.domain.break_glass import BreakGlass
from patient_svc.ports import SortKey
from patient_svc.usecases.access_control import AccessControl
from shared.contracts.identity import Caller
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """An access by break-glass, and whether an earlier request with the same id has opened it."""

    break_glass: BreakGlass
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class BreakGlassAccess:
    """The use cases of break-glass. An access lasts for `minutes`, and ends sooner by nothing but time."""

    access: AccessControl
    now: Clock
    minutes: int

    @retry_on_abort
    async def open(self, caller: Caller, patient_id: UUID, break_glass_id: UUID, reason: str) -> OpenedRecord:
        """Let an admin read a medical history for a while, and tell the patient; or return the access that has this id already.

        Raises NoSuchPatient.
        """
        async with self.access.begin(caller, patient_id, AccessAction.BREAK_GLASS, row_id=break_glass_id) as permitted:
            await permitted.tx.get_patient(patient_id)
            if earlier := await permitted.tx.find_break_glass(break_glass_id):
                permitted.recorded_as = None
                return OpenedRecord(earlier, is_repeated=True)
            now = self.now()
            opened = BreakGlass(break_glass_id, caller.id, patient_id, now, now + timedelta(minutes=self.minutes), reason)
            await permitted.tx.insert_break_glass(opened)
            await permitted.tx.add_event(opened.opened_event(new_id()))
        return OpenedRecord(opened, is_repeated=False)

    @retry_on_abort
    async def list_for_admin(self, caller: Caller, patient_id: UUID, limit: int, after: SortKey) -> list[BreakGlass]:
        """Return up to `limit` + 1 accesses that admins opened to a patient, the latest first, and record that they were read.

        Raises NoSuchPatient or PatientWasMerged, and BadCursor.
        """
        async with self.access.begin(caller, patient_id, AccessAction.BREAK_GLASS_READ) as permitted:
            return await permitted.tx.list_break_glass(patient_id, limit=limit + 1, after=after)
