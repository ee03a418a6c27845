"""The database of patient-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from patient_svc.repository.accesses import AccessReads, AccessWrites
from patient_svc.repository.contacts import ContactReads
from patient_svc.repository.guardians import GuardianReads, GuardianWrites
from patient_svc.repository.patients import PatientReads, PatientWrites
from patient_svc.repository.relations import RelationReads, RelationWrites
from patient_svc.repository.search import SearchReads, SearchWrites
from patient_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.sql import Database


class SqlPatientTransaction(PatientWrites, GuardianWrites, RelationWrites, AccessWrites, SearchWrites):
    """Implements PatientTransaction."""


@dataclass(frozen=True, slots=True)
class SqlPatientStore(PatientReads, GuardianReads, RelationReads, ContactReads, AccessReads, SearchReads):
    """Implements PatientStore. It calls `wake_relay` after a commit that added an event, so that it is published at once."""

    database: Database
    now: Clock
    wake_relay: Callable[[], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlPatientTransaction]:
        async with self.database.write() as connection:
            tx = SqlPatientTransaction(connection, INFRASTRUCTURE, Service.PATIENT, self.now)
            yield tx
        if tx.has_events:
            self.wake_relay()
