"""A session: one device signed in, a family of refresh tokens of which the newest works once; and reset links."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.events import SessionEnded

RESET_FOR, INVITED_FOR = timedelta(hours=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Session:
    id: UUID
    account_id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def lives(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at

    def ended_event(self, event_id: UUID, at: datetime, access_for: timedelta) -> SessionEnded:
        """The last token of the session may live for `access_for` from now; a minute more for clocks that differ."""
        until = at + access_for + timedelta(minutes=1)
        return SessionEnded(id=event_id, occurred_at=at, session_id=self.id, account_id=self.account_id, expires_at=until)


@dataclass(frozen=True, slots=True)
class Reset:
    """The right to choose a new password for a while; it is gone once it was used."""

    id: UUID
    account_id: UUID
    expires_at: datetime

    def works(self, now: datetime) -> bool:
        return now < self.expires_at


def digest(token: str) -> str:
    """How opaque tokens are kept."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def reset_token(key: bytes, reset_id: UUID) -> str:
    """The token of a reset: its id and a seal that only the key's owner can make, so that no token has to be kept."""
    seal = hmac.digest(key, b"reset" + reset_id.bytes, "sha256")
    return base64.urlsafe_b64encode(reset_id.bytes + seal).decode().rstrip("=")


def reset_id_of(key: bytes, token: str) -> UUID | None:
    """The reset that a token belongs to; None when the seal is not ours. Takes the same time either way."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    if len(raw) != 48:
        return None
    found = UUID(bytes=raw[:16])
    return found if hmac.compare_digest(reset_token(key, found).encode(), token.encode()) else None
