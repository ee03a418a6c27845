"""A process learns of each ended session once, one page at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from shared.kit.ended_sessions import EndedSession, EndedSessionPoller, EndedSessions
from tests.running import NOON

PAGE = 1000


@dataclass
class FakeSessionList:
    """The list of auth-service. It counts the pages and items that it returns."""

    ended: list[UUID] = field(default_factory=list)
    pages: int = 0
    items: int = 0

    def end_sessions(self, count: int) -> None:
        self.ended += [UUID(int=len(self.ended) + index) for index in range(count)]

    async def fetch_page(self, after: int) -> EndedSessions:
        page = [EndedSession(session_id=self.ended[index], expires_at=NOON + timedelta(minutes=11), number=index + 1)
                for index in range(after, min(after + PAGE, len(self.ended)))]  # fmt: skip
        self.pages, self.items = self.pages + 1, self.items + len(page)
        return EndedSessions(items=page, last_number=len(self.ended))


@dataclass
class RevokedSessionIds:
    """The sessions that were revoked, in order."""

    session_ids: list[UUID] = field(default_factory=list)

    def revoke(self, session_id: UUID, _expires_at: float) -> None:
        self.session_ids.append(session_id)


async def poll_until_done(poller: EndedSessionPoller) -> None:
    while await poller.poll():
        pass


async def test_five_thousand_ended_sessions_are_fetched_once_in_pages() -> None:
    source, revoked = FakeSessionList(), RevokedSessionIds()
    poller = EndedSessionPoller(source.fetch_page, revoked.revoke)
    source.end_sessions(5000)
    await poll_until_done(poller)
    assert revoked.session_ids == source.ended
    assert (source.pages, source.items) == (6, 5000)
    for _ in range(100):
        await poll_until_done(poller)
    assert (source.pages, source.items, len(revoked.session_ids)) == (106, 5000, 5000), "a poll without news costs one empty page"
    source.end_sessions(1)
    await poll_until_done(poller)
    assert (source.items, revoked.session_ids) == (5001, source.ended)


async def test_a_poller_begins_again_when_the_database_was_restored_from_a_backup() -> None:
    source, revoked = FakeSessionList(), RevokedSessionIds()
    poller = EndedSessionPoller(source.fetch_page, revoked.revoke)
    source.end_sessions(30)
    await poll_until_done(poller)
    source.ended, revoked.session_ids = [UUID(int=number) for number in (1, 2, 99)], []
    await poll_until_done(poller)
    assert revoked.session_ids == source.ended
