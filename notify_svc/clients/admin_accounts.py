"""The admins' accounts at auth-service."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.http import AccountSummary
from shared.contracts.pages import Page
from shared.kit.client import ServiceClient

PAGE_LENGTH, MAX_PAGES = 100, 10


@dataclass(frozen=True, slots=True)
class HttpAdminAccounts:
    """Implements AdminAccounts. It returns at most PAGE_LENGTH * MAX_PAGES admins."""

    auth: ServiceClient

    async def list_active_admins(self) -> list[UUID]:
        admins, query = list[UUID](), {"role": "admin", "status": "active", "limit": PAGE_LENGTH}
        for _ in range(MAX_PAGES):
            page = await self.auth.get("/internal/accounts", Page[AccountSummary], **query)
            admins += [account.id for account in page.items]
            if page.next is None:
                break
            query["after"] = page.next
        return admins
