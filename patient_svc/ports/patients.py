"""The database of patient-service, as its use cases see it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.guardians import Dependant
from patient_svc.domain.patients import Patient, PatientVisit
from patient_svc.domain.relations import Relations
from patient_svc.ports.accesses import AccessStore, AccessTransaction
from patient_svc.ports.search import SearchStore, SearchTransaction
from shared.contracts.contacts import PatientContact
from shared.contracts.events import Event
from shared.contracts.identity import Caller

SortKey = tuple[str, ...] | None
"""The sort key of the last row of the previous page, as in the cursor; None for the first page."""


class PatientTransaction(AccessTransaction, SearchTransaction, Protocol):
    """A transaction: it commits on leaving and rolls back on any exception. Patients that it reads are locked until then."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        """Return a patient. Raises NoSuchPatient."""

    async def find_patient(self, patient_id: UUID) -> Patient | None:
        """Return a patient, or None."""

    async def insert_patient(self, patient: Patient) -> None:
        """Insert a patient. Raises IdentifierTaken, or TransactionAborted if another transaction inserted the same id first."""

    async def update_patient(self, patient: Patient) -> None:
        """Store the new state of a patient. Raises IdentifierTaken."""

    async def save_visit(self, visit: PatientVisit) -> None:
        """Store a visit unless a newer version of it is stored already."""

    async def count_dependants(self, guardian_id: UUID) -> int:
        """Return how many dependants a guardian has. Lock the guardian before, so that the number cannot grow meanwhile."""

    async def insert_guardianship(self, guardian_id: UUID, dependant: Dependant) -> None:
        """Record that a patient acts for a dependant."""

    async def delete_guardianship(self, guardian_id: UUID, dependant_id: UUID) -> bool:
        """Record that a patient no longer acts for a dependant; return False if they did not."""

    async def get_relations(self, caller: Caller, patient_id: UUID, treated_since: datetime) -> Relations:
        """Return what connects the caller with the patient. A visit that ended before `treated_since` is no treatment any more."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""


class PatientStore(AccessStore, SearchStore, Protocol):
    """The database of patient-service."""

    def begin(self) -> AbstractAsyncContextManager[PatientTransaction]:
        """Open a transaction."""

    async def get_patient(self, patient_id: UUID) -> Patient:
        """Return a patient. Raises NoSuchPatient."""

    async def is_treating(self, doctor_id: UUID, patient_id: UUID) -> bool:
        """Return whether the doctor has, or had, an appointment with the patient that was not cancelled, declined or expired."""

    async def get_relations(self, caller: Caller, patient_id: UUID, treated_since: datetime) -> Relations:
        """Return what connects the caller with the patient. A visit that ended before `treated_since` is no treatment any more."""

    async def get_dependant(self, guardian_id: UUID, dependant_id: UUID) -> Dependant:
        """Return a dependant of a guardian. Raises NoSuchPatient."""

    async def list_dependants(self, guardian_id: UUID, *, limit: int, after: SortKey) -> list[Dependant]:
        """Return up to `limit` dependants of a guardian, by id, after the one whose sort key is `after`."""

    async def list_contacts(self, ids: Collection[UUID]) -> list[PatientContact]:
        """Return the patients among `ids` that exist, with one query. Time zone and locale are None for patients who gave none."""
