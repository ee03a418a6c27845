"""The parts of an export that other services have, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from patient_svc.domain.exports import Exported
from shared.contracts.pages import Page
from shared.contracts.refusals import NotFound, Refusal, Unavailable
from shared.kit.client import ServiceClient

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class HttpExportSources:
    """Implements ExportSources. Every refusal but that of an unknown account becomes Unavailable."""

    auth: ServiceClient
    appointments: ServiceClient
    notifications: ServiceClient

    async def read_account(self, patient_id: UUID) -> Exported | None:
        try:
            account: Any = await self.auth.call("GET", f"/internal/accounts/{patient_id}/export")
        except NotFound:
            return None
        except Refusal as error:
            raise _not_available("auth-service") from error
        return dict(account)

    async def list_appointments(self, patient_id: UUID, cursor: str | None) -> Page[Exported]:
        return await _fetch_page(self.appointments, "appointment-service", f"/internal/patients/{patient_id}/appointments", cursor)

    async def list_messages(self, patient_id: UUID, cursor: str | None) -> Page[Exported]:
        return await _fetch_page(self.notifications, "notification-service", f"/internal/patients/{patient_id}/messages", cursor)


async def _fetch_page(client: ServiceClient, name: str, path: str, cursor: str | None) -> Page[Exported]:
    try:
        return await client.get(path, Page[Exported], limit=PAGE_SIZE, after=cursor)
    except (Refusal, ValidationError) as error:
        raise _not_available(name) from error


def _not_available(service: str) -> Unavailable:
    return Unavailable(f"{service} does not answer, so that the export would not be complete.", retry_after=5)
