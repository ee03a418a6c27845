"""Calendar subscriptions: the secret links to agendas."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from scheduling_svc.domain.leaves import grains_touched
from scheduling_svc.domain.refusals import NoSuchFeed
from shared.contracts.grains import Span

PAST_RANGE, FUTURE_RANGE = timedelta(days=30), timedelta(days=366)
MAX_ENTRIES = 10_000
SECRET_BYTES = 32
TOKEN_PATTERN = r"[A-Za-z0-9_-]{43}"  # SECRET_BYTES bytes in base64url


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """The subscription link of an account. Its token alone grants access, so only the hash of the token is stored.

    `content_tag` and `changed_at` are the hash of what was read last and when it was read first, to the second; None before it is read.
    """

    account_id: UUID
    token_hash: str
    created_at: datetime
    content_tag: str | None = None
    changed_at: datetime | None = None

    def with_content(self, content: bytes, now: datetime) -> Self:
        """Return the feed with this content; self if it has not changed. `changed_at` grows, so that a client can compare it."""
        tag = hashlib.sha256(content).hexdigest()[:32]
        if tag == self.content_tag:
            return self
        second = now.replace(microsecond=0)
        changed_at = max(second, self.changed_at + timedelta(seconds=1)) if self.changed_at else second
        return replace(self, content_tag=tag, changed_at=changed_at)


def token_from(secret: bytes) -> str:
    """Return random bytes as a token that fits into a URL."""
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal; raise NoSuchFeed for text that cannot be a token."""
    if not re.fullmatch(TOKEN_PATTERN, token):
        raise NoSuchFeed
    return hashlib.sha256(token.encode()).hexdigest()


def feed_span(now: datetime) -> Span:
    """Return the time that a feed covers: from 30 days back to 366 days ahead."""
    return grains_touched(now - PAST_RANGE, now + FUTURE_RANGE)
