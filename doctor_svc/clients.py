"""The neighbours of doctor-service."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import CreateAccount
from shared.kit.client import ServiceClient


@dataclass(frozen=True, slots=True)
class HttpAccounts:
    auth: ServiceClient

    async def open(self, account_id: UUID, account: CreateAccount) -> None:
        await self.auth.call("PUT", f"/internal/accounts/{account_id}", body=account)
