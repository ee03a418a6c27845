"""The booking history of a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from patient_svc.domain.access import AccessAction
from patient_svc.domain.visits import HistoryVisit, VisitFilter
from patient_svc.ports import AppointmentDirectory, SortKey
from patient_svc.usecases.access_control import AccessControl
from shared.contracts.booking_history import MAX_SNAPSHOTS
from shared.contracts.identity import Caller
from shared.contracts.ranges import check_range
from shared.contracts.refusals import Unavailable
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class HistoryRows:
    """Visits of a list. `complete` is False if the names are missing because appointment-service did not answer."""

    rows: list[HistoryVisit]
    complete: bool


@dataclass(frozen=True, slots=True)
class BookingHistory:
    """What the read model knows of the visits of a patient, with the names that their appointments show."""

    access: AccessControl
    appointments: AppointmentDirectory

    async def list_for_patient(self, caller: Caller, patient_id: UUID, wanted: VisitFilter, *, limit: int, after: SortKey) -> HistoryRows:
        """Return up to `limit + 1` visits of a patient; the extra one tells that there is a next page.

        Raises RangeReversed, and what AccessControl raises for a caller who may not see them.
        """
        if wanted.begins is not None and wanted.ends is not None:
            check_range(wanted.begins, wanted.ends)
        visits = await self._read(caller, patient_id, wanted, limit, after)
        return await self._with_names(visits)

    @retry_on_abort
    async def _read(self, caller: Caller, patient_id: UUID, wanted: VisitFilter, limit: int, after: SortKey) -> list[HistoryVisit]:
        async with self.access.begin(caller, patient_id, AccessAction.VISITS_READ) as permitted:
            return await permitted.tx.list_visits(patient_id, wanted, limit=limit + 1, after=after)

    async def _with_names(self, visits: Sequence[HistoryVisit]) -> HistoryRows:
        ids = [visit.appointment_id for visit in visits[:MAX_SNAPSHOTS]]
        try:
            snapshots = {item.appointment_id: item for item in await self.appointments.list_snapshots(ids)} if ids else {}
        except Unavailable:
            return HistoryRows(list(visits), complete=False)
        named = [visit.with_names(snapshots[visit.appointment_id]) if visit.appointment_id in snapshots else visit for visit in visits]
        return HistoryRows(named, complete=True)
