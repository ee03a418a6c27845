"""Sessions: one signed-in device each, with a chain of refresh tokens of which only the newest works, and only once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.events import SessionEnded

CLOCK_TOLERANCE = timedelta(minutes=1)  # how much the clocks of two machines may differ
MAX_LIVE_SESSIONS = 100  # of one account; a login beyond it ends the least recently used ones
SERVICE_TOKEN_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Session:
    """A session expires at `expires_at`, which moves with every refresh; `ended_at` is when it was ended before that.

    `address` is the keyed digest of the address of the login or of the last refresh. `end_number` numbers ended sessions in the order of
    their commits.
    """

    id: UUID
    account_id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    address: str | None = None
    end_number: int | None = None

    def is_live(self, now: datetime) -> bool:
        """True when the session has neither ended nor expired."""
        return self.ended_at is None and now < self.expires_at

    def ended_event(self, event_id: UUID, ended_at: datetime, access_token_lifetime: timedelta) -> SessionEnded:
        """Return the event that makes all services refuse the session's access tokens."""
        expires_at = last_access_token_expiry(ended_at, access_token_lifetime)
        return SessionEnded(id=event_id, occurred_at=ended_at, session_id=self.id, account_id=self.account_id, expires_at=expires_at)


@dataclass(frozen=True, slots=True)
class StoredRefreshToken:
    """A refresh token that the service issued: its session, and whether the token was used before."""

    session: Session
    was_used: bool


def last_access_token_expiry(ended_at: datetime, access_token_lifetime: timedelta) -> datetime:
    """Return the instant from which no access token of a session that ended at `ended_at` can be valid on any machine."""
    return ended_at + access_token_lifetime + CLOCK_TOLERANCE


def refresh_token_hash(token: str) -> str:
    """Return the SHA-256 digest under which a refresh token is stored."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
