"""The dead letters of another service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.contracts.dead_letters import DeadLetterSummary
from shared.contracts.pages import Page
from shared.kit.client import ServiceClient
from shared.kit.cursors import PageRequest, encode_cursor


@dataclass(frozen=True, slots=True)
class HttpDeadLetterSource:
    """Implements DeadLetterSource."""

    service: ServiceClient

    async def list_page(self, topic: str | None, paging: PageRequest) -> Page[DeadLetterSummary]:
        after = encode_cursor(paging.after) if paging.after else None
        return await self.service.get("/internal/dead-letters", Page[DeadLetterSummary], topic=topic, limit=paging.limit, after=after)

    async def replay(self, letter_id: UUID) -> DeadLetterSummary:
        letter = await self.service.call("POST", f"/internal/dead-letters/{letter_id}/replay", is_repeatable=True)
        return DeadLetterSummary.model_validate(letter)
