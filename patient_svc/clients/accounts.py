"""auth-service over HTTP."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from shared.contracts.contacts import AccountSearch, FoundAccounts
from shared.contracts.refusals import Refusal
from shared.kit.client import ServiceClient
from shared.kit.deadlines import shorten_deadline
from shared.kit.logs import log_event

MAX_SECONDS = 2.0
"""How long a search waits for the accounts that have an address."""


@dataclass(frozen=True, slots=True)
class HttpAccountDirectory:
    """Implements AccountDirectory."""

    service: ServiceClient

    async def find_by_email(self, emails: Collection[str]) -> list[UUID] | None:
        request = AccountSearch(emails=list(emails))
        try:
            with shorten_deadline(MAX_SECONDS):
                answer = await self.service.call("POST", "/internal/account-search", body=request, is_repeatable=True)
            return FoundAccounts.model_validate(answer).account_ids
        except (Refusal, ValidationError) as error:
            log_event("accounts_not_searched", reason=type(error).__name__)
            return None
