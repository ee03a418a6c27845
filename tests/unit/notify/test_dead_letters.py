"""The dead letters of all services in one list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from notify_svc.domain.dead_letters import DeadLetterOut
from notify_svc.usecases.dead_letters import DeadLetterOverview
from shared.contracts.dead_letters import DeadLetterStatus, DeadLetterSummary
from shared.contracts.identity import Service
from shared.contracts.pages import Page
from shared.contracts.refusals import NotFound, Unavailable
from shared.contracts.relayed_refusals import NoSuchDeadLetter
from shared.kit.cursors import BadCursor, PageRequest, decode_cursor, parse_instant_and_id

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def a_summary(number: int, seconds: int = 0) -> DeadLetterSummary:
    return DeadLetterSummary(
        id=UUID(int=number),
        event_id=UUID(int=number),
        topic="password.changed.v1",
        subject="s",
        error="KeyError",
        attempts=5,
        died_at=NOON - timedelta(seconds=seconds),
        status=DeadLetterStatus.WAITING,
        replayed_at=None,
    )


@dataclass
class FakeSource:
    """The letters of one service. It raises `failure`, or never answers if it `hangs`."""

    letters: list[DeadLetterSummary] = field(default_factory=list)
    failure: Exception | None = None
    hangs: bool = False
    replayed: list[UUID] = field(default_factory=list)

    async def list_page(self, topic: str | None, paging: PageRequest) -> Page[DeadLetterSummary]:
        await self._answer()
        newest = sorted(self.letters, key=lambda letter: (letter.died_at, letter.id), reverse=True)
        after = parse_instant_and_id(paging.after) if paging.after else None
        following = [letter for letter in newest if after is None or (letter.died_at, letter.id) < after]
        return paging.page(following[: paging.limit + 1], lambda letter: (letter.died_at.isoformat(), letter.id))

    async def replay(self, letter_id: UUID) -> DeadLetterSummary:
        await self._answer()
        matching = [letter for letter in self.letters if letter.id == letter_id]
        if not matching:
            raise NotFound("There is no such dead letter.", code="no_such_dead_letter")
        self.replayed.append(letter_id)
        return matching[0]

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure


def overview(**sources: FakeSource) -> DeadLetterOverview:
    return DeadLetterOverview({Service[name.upper()]: source for name, source in sources.items()})


async def all_pages(letters: DeadLetterOverview, limit: int) -> list[DeadLetterOut]:
    listed, after = list[DeadLetterOut](), None
    while True:
        page = await letters.list_page(None, None, PageRequest(limit, after))
        listed += page.items
        if page.next is None:
            return listed
        after = decode_cursor(page.next)


def ids(letters: Iterable[DeadLetterOut]) -> list[int]:
    return [letter.id.int for letter in letters]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_of_all_services_show_every_letter_once_the_newest_first(limit: int) -> None:
    auth = FakeSource([a_summary(1, 5), a_summary(2, 1), a_summary(3, 5)])
    patient = FakeSource([a_summary(number, seconds=5) for number in range(4, 9)])
    listed = await all_pages(overview(auth=auth, patient=patient, doctor=FakeSource()), limit)
    assert ids(listed) == [2, 8, 7, 6, 5, 4, 3, 1]
    assert {letter.id.int for letter in listed if letter.service is Service.AUTH} == {1, 2, 3}


async def test_a_list_can_be_of_one_service() -> None:
    letters = overview(auth=FakeSource([a_summary(1)]), patient=FakeSource([a_summary(2)], failure=Unavailable()))
    page = await letters.list_page(Service.AUTH, None, PageRequest())
    assert (ids(page.items), page.unavailable) == ([1], [])


async def test_a_service_that_does_not_answer_is_named_and_hides_no_other() -> None:
    sources = {"auth": FakeSource(failure=Unavailable()), "patient": FakeSource([a_summary(1)]), "doctor": FakeSource(hangs=True)}
    page = await replace(overview(**sources), answer_seconds=0.01).list_page(None, None, PageRequest())
    assert (ids(page.items), page.unavailable) == ([1], [Service.AUTH, Service.DOCTOR])


async def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadCursor):
        await overview().list_page(None, None, PageRequest(25, ("a", "b", "c")))


async def test_a_replay_reaches_the_service_that_has_the_letter() -> None:
    auth, patient = FakeSource([a_summary(1)]), FakeSource([a_summary(2)])
    letter = await overview(auth=auth, patient=patient, doctor=FakeSource(failure=Unavailable())).replay(UUID(int=2))
    assert (letter.service, auth.replayed, patient.replayed) == (Service.PATIENT, [], [UUID(int=2)])


async def test_a_letter_is_unknown_only_if_every_service_has_answered() -> None:
    with pytest.raises(NoSuchDeadLetter):
        await overview(auth=FakeSource([a_summary(1)]), patient=FakeSource()).replay(UUID(int=2))
    with pytest.raises(Unavailable):
        await overview(auth=FakeSource([a_summary(1)]), patient=FakeSource(failure=Unavailable())).replay(UUID(int=2))
