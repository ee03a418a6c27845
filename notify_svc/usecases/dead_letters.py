"""Listing and replaying the dead letters of all services."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_svc.domain.dead_letters import DeadLetterOut, DeadLetterPage, newest_first
from notify_svc.ports.dead_letters import DeadLetterSource
from shared.contracts.identity import Service
from shared.contracts.pages import Page
from shared.contracts.refusals import Refusal, Unavailable
from shared.contracts.relayed_refusals import NoSuchDeadLetter
from shared.kit.cursors import PageRequest, encode_cursor, parse_instant_and_id

ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DeadLetterOverview:
    """The dead letters of the services in `sources`. One that needs longer than `answer_seconds` counts as unavailable."""

    sources: Mapping[Service, DeadLetterSource]
    answer_seconds: float = ANSWER_SECONDS

    async def list_page(self, service: Service | None, topic: str | None, paging: PageRequest) -> DeadLetterPage:
        """Return a page of the letters of one service or of all, the newest first. Raises BadCursor.

        The cursor is an instant and an id, so that it fits the list of every service.
        """
        if paging.after is not None:
            parse_instant_and_id(paging.after)
        services = [service] if service is not None else list(self.sources)
        pages = await asyncio.gather(*(self._page_of(name, topic, paging) for name in services))
        unavailable = [name for name, page in zip(services, pages, strict=True) if page is None]
        answered = [(name, page) for name, page in zip(services, pages, strict=True) if page is not None]
        letters = newest_first([_with_service(letter, name) for name, page in answered for letter in page.items])
        has_more = len(letters) > paging.limit or any(page.next for _, page in answered)
        items = letters[: paging.limit]
        next_cursor = encode_cursor((items[-1].died_at.isoformat(), items[-1].id)) if has_more and items else None
        return DeadLetterPage(items=items, next=next_cursor, unavailable=unavailable)

    async def replay(self, letter_id: UUID) -> DeadLetterOut:
        """Put the event of a letter into the queue of its service again, and return the letter.

        A letter that is replayed already stays as it is. Every service is asked, because the id does not say which service has the letter.
        Raises NoSuchDeadLetter, or Unavailable when a service that does not answer may have it.
        """
        answers = await asyncio.gather(*(self._replay_at(service, letter_id) for service in self.sources))
        if letters := [answer for answer in answers if isinstance(answer, DeadLetterOut)]:
            return letters[0]
        if refusals := [answer for answer in answers if isinstance(answer, Refusal)]:
            raise refusals[0]
        raise NoSuchDeadLetter

    async def _page_of(self, service: Service, topic: str | None, paging: PageRequest) -> Page[Any] | None:
        """Return a page of one service, or None when it does not answer in time."""
        try:
            async with asyncio.timeout(self.answer_seconds):
                return await self.sources[service].list_page(topic, paging)
        except (Unavailable, TimeoutError):
            return None

    async def _replay_at(self, service: Service, letter_id: UUID) -> DeadLetterOut | Refusal | None:
        """Return the letter, None when the service does not have it, or the refusal of the service."""
        try:
            return _with_service(await self.sources[service].replay(letter_id), service)
        except NoSuchDeadLetter:
            return None
        except Refusal as refusal:
            return None if refusal.code == NoSuchDeadLetter.code else refusal


def _with_service(letter: Any, service: Service) -> DeadLetterOut:
    fields = {name: getattr(letter, name) for name in DeadLetterOut.model_fields if name != "service"}
    return DeadLetterOut(**fields, service=service)
