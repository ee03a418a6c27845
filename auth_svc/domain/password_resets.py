"""Password resets: links to choose a password, for people who forgot theirs and for people who were invited.

The database keeps the ids of resets only. The token in a link is the id with a signature, so it can be made again for every mail.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

RESET_LIFETIME, INVITATION_LIFETIME = timedelta(hours=1), timedelta(days=7)
TOKEN_BYTES = 48  # an id of 16 bytes and a signature of 32


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """The right to choose a new password once, until `expires_at`. It is deleted when it is used or replaced."""

    id: UUID
    account_id: UUID
    expires_at: datetime

    def is_valid(self, now: datetime) -> bool:
        """True until the reset expires."""
        return now < self.expires_at


def reset_token(key: bytes, reset_id: UUID) -> str:
    """Return the token of a reset: its id and an HMAC-SHA256 signature by `key`, as URL-safe base64."""
    signature = hmac.digest(key, b"reset" + reset_id.bytes, "sha256")
    return base64.urlsafe_b64encode(reset_id.bytes + signature).decode().rstrip("=")


def reset_id_from_token(key: bytes, token: str) -> UUID | None:
    """Return the id of the reset that a token belongs to, or None when the signature is wrong. The comparison takes constant time."""
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    if len(content) != TOKEN_BYTES:
        return None
    reset_id = UUID(bytes=content[:16])
    return reset_id if hmac.compare_digest(reset_token(key, reset_id).encode(), token.encode()) else None
