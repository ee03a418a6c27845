"""The services that keep dead letters."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from shared.contracts.pages import Page
from shared.kit.cursors import PageRequest


class DeadLetterSource(Protocol):
    """The dead letters of one service. Its lists have the order and the cursors of `shared.kit.dead_letters`."""

    async def list_page(self, topic: str | None, paging: PageRequest) -> Page[Any]:
        """Return a page of the letters, the newest first; only those of a topic if one is given."""

    async def replay(self, letter_id: UUID) -> Any:
        """Put the event of a letter into the service's queue again; return the letter. Raises NoSuchDeadLetter."""
