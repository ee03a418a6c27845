"""The log of who read or changed what of a patient: the list that patients see, and how long it is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from patient_svc.domain.access import AccessAction, LoggedAccess
from patient_svc.ports.accesses import AccessStore, DoctorNameClient
from patient_svc.ports.patients import SortKey
from patient_svc.usecases.access_control import AccessControl
from shared.contracts.identity import Caller, Role
from shared.kit.batch_deletion import delete_in_batches
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class AccessLog:
    """What a patient, or a guardian, is told about who read and changed the patient's data."""

    accesses: AccessStore
    access: AccessControl
    doctors: DoctorNameClient

    async def list_for_patient(self, patient_id: UUID, limit: int, after: SortKey) -> list[LoggedAccess]:
        """Return up to `limit` + 1 lines of a patient, newest first. Raises BadCursor."""
        lines = await self._list_lines(patient_id, limit + 1, after)
        names = await self.doctors.find_names(doctors) if (doctors := doctors_among(lines[:limit])) else {}
        return [line.with_name(names) for line in lines]

    async def list_for_guardian(self, caller: Caller, dependant_id: UUID, limit: int, after: SortKey) -> list[LoggedAccess]:
        """Return up to `limit` + 1 lines of a dependant of the guardian who calls, newest first, and record that they were read.

        Raises NoSuchPatient for a person who is not a dependant of the guardian, or BadCursor.
        """
        lines = await self.list_for_patient(dependant_id, limit, after)
        await self._record_reading(caller, dependant_id)
        return lines

    @retry_on_abort
    async def _record_reading(self, caller: Caller, dependant_id: UUID) -> None:
        async with self.access.begin(caller, dependant_id, AccessAction.ACCESS_LOG_READ):
            pass

    @retry_on_abort
    async def _list_lines(self, patient_id: UUID, limit: int, after: SortKey) -> list[LoggedAccess]:
        return await self.accesses.list_accesses(patient_id, limit=limit, after=after)


@dataclass(frozen=True, slots=True)
class AccessRetention:
    """Deletes lines that are older than `keep_days` days. admin-service has them longer, in the audit trail."""

    accesses: AccessStore
    keep_days: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete up to MAX_DELETED old lines in short transactions, and return how many."""
        return await delete_in_batches(self.accesses.delete_accesses, self.now() - timedelta(days=self.keep_days()))


def doctors_among(lines: Collection[LoggedAccess]) -> set[UUID]:
    """Return the ids of the doctors who are actors of the lines."""
    return {line.actor.id for line in lines if line.actor.role is Role.DOCTOR}
