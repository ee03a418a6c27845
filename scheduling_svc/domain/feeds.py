"""Calendar subscriptions: the secret links to agendas."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scheduling_svc.domain.leaves import grains_touched
from scheduling_svc.domain.refusals import NoSuchFeed
from shared.contracts.grains import Span

BACK, AHEAD = timedelta(days=30), timedelta(days=366)
MAX_ENTRIES = 10_000
SECRET_BYTES = 32
TOKEN = r"[A-Za-z0-9_-]{43}"  # SECRET_BYTES bytes in base64url


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """The subscription link of an account. Its token alone grants access, so only the hash of the token is stored."""

    account_id: UUID
    token_hash: str
    created_at: datetime


def token_from(secret: bytes) -> str:
    """Return random bytes as a token that fits into a URL."""
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal; raise NoSuchFeed for text that cannot be a token."""
    if not re.fullmatch(TOKEN, token):
        raise NoSuchFeed
    return hashlib.sha256(token.encode()).hexdigest()


def feed_span(now: datetime) -> Span:
    """Return the time that a feed covers: from 30 days back to 366 days ahead."""
    return grains_touched(now - BACK, now + AHEAD)
