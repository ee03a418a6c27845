"""The database of patient-service, as its use cases see it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.patients import Patient
from patient_svc.domain.relations import Relations
from patient_svc.ports.accesses import AccessStore, AccessTransaction
from patient_svc.ports.guardians import GuardianStore, GuardianTransaction
from patient_svc.ports.guardians import SortKey as SortKey
from patient_svc.ports.search import SearchStore, SearchTransaction
from patient_svc.ports.visits import HistoryTransaction
from shared.contracts.contacts import PatientContact
from shared.contracts.events import Event
from shared.contracts.identity import Caller


class PatientTransaction(GuardianTransaction, HistoryTransaction, AccessTransaction, SearchTransaction, Protocol):
    """A transaction: it commits on leaving and rolls back on any exception. Patients that it reads are locked until then."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        """Return a patient. Raises NoSuchPatient, also for one who was merged into another."""

    async def find_patient(self, patient_id: UUID) -> Patient | None:
        """Return a patient, or what remains of one who was merged into another, or None."""

    async def is_erased(self, patient_id: UUID) -> bool:
        """Return whether the patient with this id was erased."""

    async def insert_patient(self, patient: Patient) -> None:
        """Insert a patient. Raises IdentifierTaken, or TransactionAborted if another transaction inserted the same id first."""

    async def update_patient(self, patient: Patient) -> None:
        """Store the new state of a patient. Raises IdentifierTaken."""

    async def get_relations(self, caller: Caller, patient_id: UUID, treated_since: datetime) -> Relations:
        """Return what connects the caller with the patient. A visit that ended before `treated_since` is no treatment any more."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""


class PatientStore(GuardianStore, AccessStore, SearchStore, Protocol):
    """The database of patient-service."""

    def begin(self) -> AbstractAsyncContextManager[PatientTransaction]:
        """Open a transaction."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        """Return a patient. Raises NoSuchPatient."""

    async def find_successor(self, patient_id: UUID) -> UUID | None:
        """Return the patient into whom this one was merged, who is no merged one, or None."""

    async def get_relations(self, caller: Caller, patient_id: UUID, treated_since: datetime) -> Relations:
        """Return what connects the caller with the patient. A visit that ended before `treated_since` is no treatment any more."""

    async def list_contacts(self, ids: Collection[UUID], *, adults_born_until: date) -> list[PatientContact]:
        """Return the patients among `ids` that exist, with one query. Time zone and locale are None for patients who gave none.

        `guardian_ids` are those whose guardianship is in force.
        """
