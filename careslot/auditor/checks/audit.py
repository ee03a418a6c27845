"""The audit trail is whole: every line follows the line before it, and the head of every day is the one that auth-service has signed.

The end of the chain is read first, and lines that are appended later are ignored. admin-service stores the signature that auth-service
gave for a day, and auth-service stores which head of each day it has signed, so that a forger has to change both databases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_svc.domain.audit_chain import ChainFault, DayHead
from admin_svc.repository import SqlAdminStore
from admin_svc.usecases.audit_verification import AuditVerification
from auth_svc.repository.tables import SIGNED_AUDIT_HEADS
from careslot.auditor.findings import MAX_FINDINGS, Finding, Key
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
    """Goes through the whole trail at once, because each line depends on the line before it."""

    name = "the audit trail is whole"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the one key of the trail."""
        yield [TRAIL]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the faults of the whole trail; its one key is always examined."""
        database: Any = ReadOnlyDatabase(stores.sql[Service.ADMIN])
        signed = await _read_signed_heads(stores.sql[Service.AUTH])
        verification = AuditVerification(cast(Any, SqlAdminStore(database, stores.now)), lambda head: _signed_fields(head) in signed)
        return await list_findings(verification.list_faults())


async def list_findings(faults: AsyncIterator[ChainFault]) -> list[Finding]:
    """Return a finding for each fault of the trail, MAX_FINDINGS at most: somebody may have changed every line."""
    findings = list[Finding]()
    async for fault in faults:
        findings.append(_finding(fault))
        if len(findings) == MAX_FINDINGS:
            break
    return findings


async def _read_signed_heads(auth: SqlStore) -> set[tuple[Any, ...]]:
    """Return the fields of the heads that auth-service has signed, with the signature that it gave."""
    columns = SIGNED_AUDIT_HEADS.c
    query = select(columns.day, columns.line_count, columns.hash, columns.previous_hash, columns.signature)
    return {tuple(row) for row in await auth.fetch(query)}


def _signed_fields(head: DayHead) -> tuple[Any, ...]:
    return head.day, head.lines, head.hash, head.previous_hash, head.signature


def _finding(fault: ChainFault) -> Finding:
    """Return the finding of a fault of the chain, whose code is one of the auditor's, too."""
    ids = {"day": fault.day.isoformat()}
    ids |= {"position": str(fault.position)} if fault.position is not None else {}
    ids |= {"line": str(fault.line_id)} if fault.line_id is not None else {}
    return Finding(fault.code.value, (*TRAIL, *ids.values()), ids, examined_key=TRAIL)
