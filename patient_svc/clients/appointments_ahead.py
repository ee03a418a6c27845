"""Appointments of patients that have not begun, from appointment-service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from patient_svc.clients.live_visits import MAX_IDS
from patient_svc.domain.erasures import MAX_SHOWN, AppointmentAhead
from shared.contracts.pages import Page
from shared.contracts.refusals import Refusal, Unavailable
from shared.contracts.values import Instant, ReadModel, format_instant
from shared.kit.client import ServiceClient

STATUSES_AHEAD = ("pending", "requested", "booked")


class ListedAppointment(ReadModel):
    """The part of an appointment that is read here."""

    id: UUID
    starts_at: Instant


@dataclass(frozen=True, slots=True)
class HttpAppointmentsAhead:
    """Implements AppointmentsAhead with the internal list of appointment-service. Every refusal becomes Unavailable."""

    client: ServiceClient

    async def list_ahead(self, patient_ids: Collection[UUID], now: datetime) -> Sequence[AppointmentAhead]:
        ids = sorted(map(str, patient_ids))
        batches = [ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS)]
        ahead = [appointment for batch in batches for appointment in await self._list_of_batch(batch, now)]
        return sorted(ahead, key=lambda appointment: appointment.starts_at)[:MAX_SHOWN]

    async def _list_of_batch(self, patient_ids: Sequence[str], now: datetime) -> Sequence[AppointmentAhead]:
        parameters = {"patient_id": patient_ids, "status": list(STATUSES_AHEAD), "from": format_instant(now), "limit": MAX_SHOWN}
        try:
            page = await self.client.get("/internal/appointments", Page[ListedAppointment], **parameters)
        except (Refusal, ValidationError) as error:
            raise Unavailable("appointment-service does not say whether you have appointments ahead.", retry_after=2) from error
        return [AppointmentAhead(item.id, item.starts_at) for item in page.items]
