"""What patient-service reads for the booking history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.visit_records import snapshot_of
from appointment_svc.ports import AppointmentStore, StoredAppointment
from shared.contracts.booking_history import AppointmentSnapshot, AppointmentSnapshots
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class BookingHistorySource:
    """Appointments that cannot be read are logged. They exist, but nothing is told about them."""

    store: AppointmentStore

    @retry_on_abort
    async def list_by_id(self, limit: int, after: UUID | None) -> Sequence[StoredAppointment]:
        """Return up to `limit + 1` appointments, ordered by id; the extra one tells that there is a next page."""
        return await self.store.list_by_id(limit + 1, after)

    @retry_on_abort
    async def list_snapshots(self, ids: Sequence[UUID]) -> AppointmentSnapshots:
        """Return what the appointments that exist show of service and doctor, in the order of `ids`."""
        stored = await self.store.find_many(list(dict.fromkeys(ids)))
        existing = [stored[appointment_id] for appointment_id in dict.fromkeys(ids) if appointment_id in stored]
        return AppointmentSnapshots(items=[_snapshot(appointment) for appointment in existing])


def _snapshot(appointment: StoredAppointment) -> AppointmentSnapshot:
    if isinstance(appointment, Appointment):
        return snapshot_of(appointment)
    return AppointmentSnapshot(appointment_id=appointment.id, service=None, doctor=None)
