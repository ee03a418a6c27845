"""The routes with which notification-service reads and replays the dead letters of every service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from shared.contracts.dead_letters import DeadLetterSummary
from shared.contracts.identity import Caller, Service
from shared.contracts.pages import Page
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.dead_letters import DeadLetter, DeadLetters
from shared.kit.paging import Paged
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/internal/dead-letters", internal=True)
UseDeadLetters = Annotated[DeadLetters, use_case(DeadLetters)]
ReadingService = Annotated[Caller, Depends(require_services(Service.NOTIFICATION))]
Topic = Annotated[str | None, Query(max_length=100, pattern="^[a-z0-9_.-]+$")]


@router.get("", response_model=Page[DeadLetterSummary])
async def list_own_dead_letters(_caller: ReadingService, letters: UseDeadLetters, paging: Paged, topic: Topic = None) -> Page[DeadLetter]:
    """Return a page of this service's dead letters, the newest first."""
    return await letters.list_page(topic, paging)


@router.post("/{letter_id}/replay", response_model=DeadLetterSummary)
async def replay_own_dead_letter(letter_id: UUID, _caller: ReadingService, letters: UseDeadLetters) -> DeadLetter:
    """Put the event of a dead letter into this service's queue again."""
    return await letters.replay(letter_id)
