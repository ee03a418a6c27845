"""The audit trail is whole: every line follows the line before it, and the head of every day is the one that auth-service has signed.

The end of the chain is read first, and lines that are appended after it are ignored. admin-service stores the signature that auth-service
gave for a day, and auth-service stores which head of each day it has signed: whoever changes the trail has to change both databases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.audit_chain import ChainFault, DayHead
from admin_svc.repository import SqlAdminStore
from admin_svc.usecases.audit_verification import AuditVerification
from auth_svc.repository.tables import SIGNED_AUDIT_HEADS
from careslot.auditor.findings import Finding, Key
from careslot.auditor.sql_store import SqlStore
from careslot.auditor.stores import Stores
from shared.contracts.identity import Service

TRAIL: Key = ("audit trail",)


@dataclass(frozen=True, slots=True)
class ReadOnlyDatabase:
    """The part of a database of the kit that the audit trail is read with."""

    store: SqlStore

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a snapshot."""
        return self.store.snapshot()


@dataclass(frozen=True, slots=True)
class AuditTrailCheck:
    """Goes through the whole trail at once, because each line depends on the one before it."""

    name = "the audit trail is whole"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the one key of the trail."""
        yield [TRAIL]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the faults of the trail, whatever the keys."""
        database: Any = ReadOnlyDatabase(stores.sql[Service.ADMIN])
        is_signed = await _head_comparison(stores.sql[Service.AUTH])
        verification = AuditVerification(cast(Any, SqlAdminStore(database, stores.now)), is_signed)
        return [_finding(fault) async for fault in verification.list_faults()]


async def _head_comparison(auth: SqlStore) -> Callable[[DayHead], bool]:
    """Return a function that says whether auth-service has signed exactly this head, and given this signature for it."""
    columns = SIGNED_AUDIT_HEADS.c
    query = select(columns.day, columns.line_count, columns.hash, columns.previous_hash, columns.signature)
    signed = {tuple(row) for row in await auth.fetch(query)}
    return lambda head: (head.day, head.lines, head.hash, head.previous_hash, head.signature) in signed


def _finding(fault: ChainFault) -> Finding:
    """Return the finding of a fault of the chain, whose code is one of the auditor's, too."""
    ids = {"day": fault.day.isoformat()}
    ids |= {"position": str(fault.position)} if fault.position is not None else {}
    ids |= {"line": str(fault.line_id)} if fault.line_id is not None else {}
    return Finding(fault.code.value, ("audit trail", *ids.values()), ids)
