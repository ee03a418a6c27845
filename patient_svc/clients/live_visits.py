"""Visits that are not over, from appointment-service."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from patient_svc.domain.merges import LiveVisit
from shared.contracts.pages import Page
from shared.contracts.refusals import Refusal, Unavailable
from shared.contracts.values import Instant, ReadModel, format_instant
from shared.kit.client import ServiceClient

PAGE_SIZE, MAX_PAGES, MAX_IDS = 100, 20, 40
LIVE_STATUSES = ("pending", "requested", "booked", "checked_in", "in_progress")


class ListedVisit(ReadModel):
    """The part of an appointment that is read here."""

    id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant


@dataclass(frozen=True, slots=True)
class HttpLiveVisits:
    """Implements LiveVisits with the internal list of appointment-service. Every refusal, and a list without end, becomes Unavailable."""

    client: ServiceClient

    async def list_live(self, patient_ids: Collection[UUID], since: datetime) -> list[LiveVisit]:
        ids = sorted(patient_ids)
        batches = [ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS)]
        return [visit for batch in batches for visit in await self._list_for_patients(batch, since)]

    async def _list_for_patients(self, patient_ids: Collection[UUID], since: datetime) -> list[LiveVisit]:
        visits, after = list[LiveVisit](), None
        for _ in range(MAX_PAGES):
            page = await self._read_page(patient_ids, since, after)
            visits += [LiveVisit(item.id, item.patient_id, item.starts_at, item.ends_at) for item in page.items]
            after = page.next
            if after is None:
                return visits
        raise Unavailable("The patients have too many visits to compare.", retry_after=60)

    async def _read_page(self, patient_ids: Collection[UUID], since: datetime, after: str | None) -> Page[ListedVisit]:
        parameters = {"patient_id": sorted(map(str, patient_ids)), "status": list(LIVE_STATUSES), "from": format_instant(since)}
        try:
            return await self.client.get("/internal/appointments", Page[ListedVisit], limit=PAGE_SIZE, after=after, **parameters)
        except (Refusal, ValidationError) as error:
            raise Unavailable("appointment-service does not say which visits the patients have.", retry_after=2) from error
