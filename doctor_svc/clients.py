"""The neighbours of doctor-service."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import NewAccount
from shared.kit.client import Neighbour


@dataclass(frozen=True, slots=True)
class HttpAccounts:
    auth: Neighbour

    async def open(self, account_id: UUID, account: NewAccount) -> None:
        await self.auth.call("PUT", f"/internal/accounts/{account_id}", body=account)
