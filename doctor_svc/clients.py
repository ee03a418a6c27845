"""auth-service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import CreateAccount
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpDoctorAccountClient:
    """Implements DoctorAccountClient."""

    service: ServiceClient

    async def create(self, account_id: UUID, account: CreateAccount) -> None:
        await self.service.call("PUT", f"/internal/accounts/{account_id}", body=account)
