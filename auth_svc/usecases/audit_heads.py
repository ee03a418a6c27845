"""Signing the heads of the audit trail, which admin-service keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from auth_svc.domain.audit_heads import SignedAuditHead
from auth_svc.ports import AuditHeadKey, AuthStore
from shared.contracts.audit import AuditHeadBody
from shared.kit.clock import Clock
from shared.kit.retry import TransactionAborted, retry_on_abort


@dataclass(frozen=True, slots=True)
class AuditHeadSigning:
    """Signs one head of each day. A changed audit trail in the database of admin-service gets no second signature."""

    store: AuthStore
    key: AuditHeadKey
    now: Clock

    @retry_on_abort
    async def sign(self, day: date, head: AuditHeadBody) -> SignedAuditHead:
        """Return the signed head of a day; repeating the call returns the first one. Raises AuditHeadDiffers for another head."""
        async with self.store.begin() as tx:
            signed = await tx.find_signed_head(day)
            if signed is None:
                signature = self.key.sign_head(day, head, now=self.now())
                signed = SignedAuditHead(day, head.lines, head.hash, head.previous_hash, self.key.key_id, signature, self.now())
                if not await tx.insert_signed_head(signed):  # another instance has just signed this day
                    raise TransactionAborted("the day was signed meanwhile")
        signed.require_same(head)
        return signed

    def public_keys(self) -> list[dict[str, str]]:
        """Return the keys that verify signatures of heads (RFC 7517). They verify nothing else."""
        return [self.key.public_key]
