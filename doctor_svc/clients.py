"""auth-service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import AccountSummary, CreateAccount
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpDoctorAccountClient:
    """Implements DoctorAccountClient."""

    service: ServiceClient

    async def create(self, account_id: UUID, account: CreateAccount) -> AccountSummary:
        return AccountSummary.model_validate(await self.service.call("PUT", f"/internal/accounts/{account_id}", body=account))
