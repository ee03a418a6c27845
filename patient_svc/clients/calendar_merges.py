"""Telling scheduling-service of a merge."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import FollowMerge
from shared.contracts.refusals import Refusal, Unavailable
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpCalendarMerges:
    """Implements CalendarMerges with the internal route of scheduling-service. Every refusal becomes Unavailable."""

    client: ServiceClient

    async def follow_merge(self, patient_id: UUID, into: UUID) -> None:
        try:
            await self.client.call("PUT", f"/internal/patients/{patient_id}/merge", body=FollowMerge(into=into))
        except Refusal as error:
            detail = "The patients are merged, but the calendar does not answer. Repeat the request until it does."
            raise Unavailable(detail, retry_after=2) from error
