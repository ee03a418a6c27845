"""The database of doctor-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from doctor_svc.repository.doctors import DoctorReads, DoctorWrites
from doctor_svc.repository.service_types import ServiceTypeReads, ServiceTypeWrites
from doctor_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.sql import Database


class SqlDoctorTransaction(DoctorWrites, ServiceTypeWrites):
    """Implements DoctorTransaction."""


@dataclass(frozen=True, slots=True)
class SqlDoctorStore(DoctorReads, ServiceTypeReads):
    """Implements DoctorStore. It calls `wake_relay` after a commit that added an event, so that it is published at once."""

    database: Database
    now: Clock
    wake_relay: Callable[[], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlDoctorTransaction]:
        async with self.database.write() as connection:
            tx = SqlDoctorTransaction(connection, INFRASTRUCTURE, Service.DOCTOR, self.now)
            yield tx
        if tx.has_events:
            self.wake_relay()
