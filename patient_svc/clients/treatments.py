"""Appointments that make a doctor treat a patient, from appointment-service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from patient_svc.domain.relations import TREATING_STATUSES
from shared.contracts.refusals import Refusal, Unavailable
from shared.contracts.values import ReadModel, format_instant
from shared.kit.client import ServiceClient
from shared.kit.paging import Page


class TreatingAppointment(ReadModel):
    """The part of an appointment that is read here."""

    id: UUID


@dataclass(frozen=True, slots=True)
class HttpTreatments:
    """Implements Treatments with the internal list of appointment-service. Every refusal becomes Unavailable."""

    client: ServiceClient

    async def is_treating(self, doctor_id: UUID, patient_id: UUID, treated_since: datetime) -> bool:
        people = {"doctor_id": str(doctor_id), "patient_id": str(patient_id)}
        parameters = people | {"status": sorted(TREATING_STATUSES), "from": format_instant(treated_since), "limit": 1}
        try:
            page = await self.client.get("/internal/appointments", Page[TreatingAppointment], **parameters)
        except (Refusal, ValidationError) as error:
            raise Unavailable("appointment-service does not say whether you treat this patient.", retry_after=2) from error
        return bool(page.items)
