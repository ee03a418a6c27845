"""The database of admin-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from admin_svc.repository.audit import AuditReads, AuditWrites
from admin_svc.repository.audit_chain import AuditChainReads, AuditChainWrites
from admin_svc.repository.former_ids import FormerIdReads, FormerIdWrites
from admin_svc.repository.tables import INFRASTRUCTURE
from admin_svc.repository.users import PendingUserWrites
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.sql import Database


class SqlAdminTransaction(PendingUserWrites, AuditWrites, AuditChainWrites, FormerIdWrites):
    """Implements UserTransaction and AuditTransaction."""


@dataclass(frozen=True, slots=True)
class SqlAdminStore(AuditReads, AuditChainReads, FormerIdReads):
    """Implements UserStore and AuditStore."""

    database: Database
    now: Clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlAdminTransaction]:
        async with self.database.write() as connection:
            yield SqlAdminTransaction(connection, INFRASTRUCTURE, Service.ADMIN, self.now)
