"""The database of patient-service in SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from patient_svc.repository.accesses import AccessReads, AccessWrites
from patient_svc.repository.contacts import ContactReads
from patient_svc.repository.erasures import ErasureReads, ErasureWrites
from patient_svc.repository.guardians import GuardianReads, GuardianWrites
from patient_svc.repository.merges import MergeWrites
from patient_svc.repository.patients import PatientReads, PatientWrites
from patient_svc.repository.record_cipher import RecordKeyring
from patient_svc.repository.relations import RelationReads, RelationWrites
from patient_svc.repository.search import SearchReads, SearchWrites
from patient_svc.repository.tables import INFRASTRUCTURE
from patient_svc.repository.visits import VisitReads, VisitWrites
from shared.contracts.identity import Service
from shared.kit.clock import Clock
from shared.kit.sql import Database


class SqlPatientTransaction(
    PatientWrites, GuardianWrites, RelationWrites, VisitWrites, AccessWrites, MergeWrites, SearchWrites, ErasureWrites
):
    """Implements MergeTransaction and ErasureTransaction."""


@dataclass(frozen=True, slots=True)
class SqlPatientStore(PatientReads, GuardianReads, RelationReads, VisitReads, ContactReads, AccessReads, SearchReads, ErasureReads):
    """Implements PatientStore, RecordStore, MergeStore and ErasureStore.

    It calls `wake_relay` after a commit that added an event, to publish it at once.
    """

    database: Database
    now: Clock
    wake_relay: Callable[[], None]
    keyring: RecordKeyring

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlPatientTransaction]:
        async with self.database.write() as connection:
            tx = SqlPatientTransaction(connection, INFRASTRUCTURE, Service.PATIENT, self.now, keyring=self.keyring)
            yield tx
        if tx.has_events:
            self.wake_relay()
