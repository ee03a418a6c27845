"""The heads of the audit trail, as auth-service signs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from auth_svc.domain.refusals import AuditHeadDiffers
from shared.contracts.audit import AuditHeadBody


@dataclass(frozen=True, slots=True)
class SignedAuditHead:
    """The head of a recording day (UTC) with its signature, a JSON Web Signature by the key `key_id`."""

    day: date
    lines: int
    hash: str
    previous_hash: str
    key_id: str
    signature: str
    signed_at: datetime

    def require_same(self, head: AuditHeadBody) -> None:
        """Raise AuditHeadDiffers unless this is the head that was signed."""
        if (head.lines, head.hash, head.previous_hash) != (self.lines, self.hash, self.previous_hash):
            raise AuditHeadDiffers
