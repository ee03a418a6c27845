"""appointment-service over HTTP: what has changed, and links for mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from shared.contracts.appointment_changes import AppointmentChange
from shared.contracts.pages import Page
from shared.contracts.refusals import Refusal, Unavailable
from shared.contracts.values import format_instant
from shared.contracts.visit_links import VisitLinkKey, VisitLinkOut, VisitLinkRequest, VisitLinksOut
from shared.kit.client import ServiceClient

PAGE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class HttpAppointments:
    """Implements AppointmentChanges and VisitLinkSource. Any refusal becomes Unavailable, because a later attempt may succeed."""

    appointments: ServiceClient

    async def list_changes(self, since: datetime, after: str | None) -> Page[AppointmentChange]:
        query = {"from": format_instant(since), "after": after, "limit": PAGE_LENGTH}
        try:
            return await self.appointments.get("/internal/appointment-changes", Page[AppointmentChange], **query)
        except (Refusal, ValidationError) as error:
            raise Unavailable("The list of changes is not available.", retry_after=2) from error

    async def fetch_visit_links(self, keys: Sequence[VisitLinkKey]) -> Sequence[VisitLinkOut]:
        body = VisitLinkRequest(links=list(keys))
        try:
            answer = await self.appointments.call("POST", "/internal/visit-links", body=body, is_repeatable=True)
            return VisitLinksOut.model_validate(answer).items
        except (Refusal, ValidationError) as error:
            raise Unavailable("The links of visits are not available.", retry_after=2) from error
