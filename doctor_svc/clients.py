"""The clients through which doctor-service calls other services."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import CreateAccount
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpDoctorAccounts:
    """The accounts of doctors at auth-service."""

    auth: ServiceClient

    async def create(self, account_id: UUID, account: CreateAccount) -> None:
        await self.auth.call("PUT", f"/internal/accounts/{account_id}", body=account)
