"""The database of admin-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from admin_svc.repository.audit import AuditReads, AuditWrites
from admin_svc.repository.audit_chain import AuditChainReads, AuditChainWrites
from admin_svc.repository.bulk import BulkWrites
from admin_svc.repository.clinic_settings import ClinicSettingsReads, ClinicSettingsWrites
from admin_svc.repository.former_ids import FormerIdReads, FormerIdWrites
from admin_svc.repository.imports import ImportReads, ImportWrites
from admin_svc.repository.tables import INFRASTRUCTURE
from admin_svc.repository.users import PendingUserWrites
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.sql import Database


class SqlAdminTransaction(PendingUserWrites, AuditWrites, AuditChainWrites, FormerIdWrites, BulkWrites, ClinicSettingsWrites, ImportWrites):
    """Implements UserTransaction, AuditTransaction, BulkTransaction, SettingsTransaction and ImportTransaction."""


@dataclass(frozen=True, slots=True)
class SqlAdminStore(AuditReads, AuditChainReads, FormerIdReads, ClinicSettingsReads, ImportReads):
    """Implements UserStore, AuditStore, BulkStore, SettingsStore and ImportStore.

    It calls `wake_relay` after a commit that added an event.
    """

    database: Database
    now: Clock
    wake_relay: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlAdminTransaction]:
        async with self.database.write() as connection:
            tx = SqlAdminTransaction(connection, INFRASTRUCTURE, Service.ADMIN, self.now)
            yield tx
        if tx.has_events:
            self.wake_relay()
