"""Reading appointments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.ports import AppointmentFilter, AppointmentStore, StoredChange
from shared.contracts.identity import Caller
from shared.contracts.ranges import check_range
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class AppointmentQueries:
    """What a caller may read. A caller of None is a service that has checked its own caller and may read everything."""

    store: AppointmentStore

    @retry_on_abort
    async def list_matching(
        self, caller: Caller | None, wanted: AppointmentFilter, limit: int, after: tuple[str, ...] | None
    ) -> list[Appointment]:
        """Return up to `limit + 1` appointments; the extra one tells that there is a next page. Raise RangeReversed."""
        if wanted.begins is not None and wanted.ends is not None:
            check_range(wanted.begins, wanted.ends)
        return await self.store.list_matching(wanted.restricted_to(caller) if caller else wanted, limit + 1, after)

    @retry_on_abort
    async def list_changes(self, since: datetime, limit: int, after: tuple[str, ...] | None) -> Sequence[StoredChange]:
        """Return up to `limit + 1` appointments that have changed since an instant; the extra one tells that there is a next page."""
        return await self.store.list_changes(since, limit + 1, after)

    @retry_on_abort
    async def get(self, caller: Caller | None, appointment_id: UUID) -> Appointment:
        """Return an appointment; raise NoSuchAppointment if there is none that the caller may see."""
        appointment = await self.store.get(appointment_id)
        return rules.require_visible(caller, appointment) if caller else appointment
