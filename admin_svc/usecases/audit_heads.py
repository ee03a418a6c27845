"""Closing the days of the audit trail, and having their heads signed."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from admin_svc.domain.audit_chain import DayHead
from admin_svc.ports import AuditStore, HeadSigner
from shared.contracts.audit import AuditHeadBody, AuditHeadSignature
from shared.contracts.refusals import Conflict
from shared.kit.clock import Clock
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

SIGNED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class AuditHeads:
    """The heads of the recording days that ended. auth-service signs them, so that this service alone cannot write another history."""

    store: AuditStore
    signer: HeadSigner
    now: Clock

    async def close_and_sign(self) -> int:
        """Close the newest day if it has ended, and have heads signed, up to SIGNED_AT_ONCE. Return how many were signed.

        Raises Unavailable when auth-service does not answer; the heads are signed by a later run.
        """
        await self._close_due()
        return sum([await self._sign(head) for head in await self.store.list_unsigned_heads(SIGNED_AT_ONCE)])

    @retry_on_abort
    async def list_heads(self, limit: int, after: tuple[str, ...] | None) -> list[DayHead]:
        """Return up to `limit + 1` heads, newest first; the extra one tells that there is a next page. Raises BadCursor."""
        return await self.store.list_heads(limit + 1, after)

    @retry_on_abort
    async def _close_due(self) -> None:
        """Store the head of the newest day, if it has ended and no line of a later day has done so."""
        if not (await self.store.get_chain_end()).is_due(self.now()):
            return
        async with self.store.begin() as tx:
            end = await tx.lock_chain_end()
            if end.is_due(self.now()):
                await tx.insert_head(end.head(self.now()))
                await tx.save_chain_end(end.close())

    async def _sign(self, head: DayHead) -> bool:
        """Return whether the head is signed now. A head that auth-service refuses for good does not stop the others."""
        body = AuditHeadBody(lines=head.lines, hash=head.hash, previous_hash=head.previous_hash)
        try:
            signed = await self.signer.sign(head.day, body)
        except Conflict as refusal:
            log_event("audit_head_refused", logging.ERROR, day=str(head.day), code=refusal.code)
            return False
        await self._save_signature(signed)
        return True

    @retry_on_abort
    async def _save_signature(self, signed: AuditHeadSignature) -> None:
        async with self.store.begin() as tx:
            await tx.save_signature(signed, self.now())
