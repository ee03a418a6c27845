"""Sessions that have ended, as auth-service lists them: each process asks only for what is new, one page at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from shared.contracts.values import Instant, ReadModel

POLL_SECONDS = 3.0
MAX_PAGE_LENGTH = 1000


class EndedSession(ReadModel):
    """A session whose tokens are refused until they expire at `expires_at`. `number` grows from one ended session to the next."""

    session_id: UUID
    expires_at: Instant
    number: int = 0


class EndedSessions(ReadModel):
    """A page of the response of auth-service to `GET /internal/ended-sessions`; `last_number` is the highest number of all sessions."""

    items: list[EndedSession]
    last_number: int = 0


FetchPage = Callable[[int], Awaitable[EndedSessions]]
"""Returns the first page of the sessions with a higher number than the given one."""
RevokeSession = Callable[[UUID, float], None]
"""Makes this process refuse the access tokens of a session until a Unix time, when they have expired."""


class EndedSessionPoller:
    """Revokes the sessions that ended since its last poll, in case the broadcast of one was lost.

    auth-service numbers sessions in the order of the commits that ended them, so no session appears below a number that was seen. The first
    polls fetch all sessions whose tokens may not have expired.
    """

    def __init__(self, fetch_page: FetchPage, revoke_session: RevokeSession) -> None:
        self._fetch_page, self._revoke_session = fetch_page, revoke_session
        self._last_number = 0

    async def poll(self) -> int:
        """Revoke the sessions of one page; return how many, so that the job fetches the next page at once."""
        page = await self._fetch_page(self._last_number)
        for session in page.items:
            self._revoke_session(session.session_id, session.expires_at.timestamp())
            self._last_number = session.number
        if page.last_number < self._last_number:  # the database was restored from an older backup
            self._last_number = 0
            return 1
        return len(page.items)
