"""What erasing patients needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from patient_svc.domain.erasures import AppointmentAhead, Erasure, ErasureReport, ReportedErasure
from patient_svc.ports.guardians import SortKey
from patient_svc.ports.patients import PatientTransaction
from shared.contracts.identity import Service


class ErasureTransaction(PatientTransaction, Protocol):
    """A transaction that erases patients, and records what the services report."""

    async def list_sole_dependants(self, guardian_id: UUID, *, adults_born_until: date) -> Sequence[UUID]:
        """Return the dependants whose only guardianship in force is that of the guardian, by id. All dependants of the guardian are locked.

        Other guardians count while their account is active and that of a patient.

        Lock the guardian before, so that no dependant can be added meanwhile.
        """

    async def list_dependant_ids(self, guardian_id: UUID) -> Sequence[UUID]:
        """Return all dependants of a guardian, by id."""

    async def list_former_ids(self, patient_ids: Collection[UUID]) -> Mapping[UUID, UUID]:
        """Return the ids of patients who were merged into one of these, each with the one who has their data."""

    async def lock_merged_into(self, patient_id: UUID) -> Sequence[UUID]:
        """Return the ids of patients who were merged into a patient, in order, and lock what remains of them.

        Lock the patient before, so that no other one can be merged into them meanwhile.
        """

    async def has_expired(self, patient_id: UUID, before: datetime) -> bool:
        """Return whether `list_expired_patients` would list a patient now. Lock the patient before."""

    async def delete_patient(self, patient_id: UUID) -> Mapping[str, int]:
        """Delete all that is stored of a patient but ids of visits and of accesses, and the key of the medical history.

        Of a patient who was merged into another one, what the merge did is deleted as well. Return how many rows of which kind. Lock the
        patient before.
        """

    async def find_erasure_of(self, patient_id: UUID) -> Erasure | None:
        """Return the erasure of a patient, or None."""

    async def lock_erasure(self, erasure_id: UUID) -> Erasure | None:
        """Return an erasure that no other transaction changes until this one ends, or None."""

    async def insert_erasure(self, erasure: Erasure) -> None:
        """Insert an erasure. Raises TransactionAborted if another transaction has erased the same patient."""

    async def update_erasure(self, erasure: Erasure) -> None:
        """Store the new state of an erasure."""

    async def list_reporting_services(self, erasure: Erasure) -> Collection[Service]:
        """Return the services that have reported in the pass of the erasure. Lock the erasure before."""

    async def insert_erasure_report(self, erasure_id: UUID, report: ErasureReport) -> None:
        """Record what a service has reported, unless it has reported in the same pass before: the first report counts."""

    async def list_erasures(self, *, limit: int, after: SortKey) -> list[ReportedErasure]:
        """Return up to `limit` erasures with their reports, the newest first, after the one whose sort key (request, id) is `after`."""


class ErasureStore(Protocol):
    """The database of patient-service, as far as it concerns erasures."""

    def begin(self) -> AbstractAsyncContextManager[ErasureTransaction]:
        """Open a transaction."""

    async def list_open_erasures(self, limit: int) -> list[UUID]:
        """Return erasures that are not completed, the one whose event was published longest ago first."""

    async def list_expired_patients(self, before: datetime, limit: int) -> list[UUID]:
        """Return patients of whom nothing has changed since `before`, by id.

        They have no active account, they had no visit that ended at `before` or later, they have no dependants, and no guardian of
        theirs has an active account. What remains of a merged patient is not listed: it is erased with the target.
        """


class AppointmentsAhead(Protocol):
    """The appointments of appointment-service that have not begun."""

    async def list_ahead(self, patient_ids: Collection[UUID], now: datetime) -> Sequence[AppointmentAhead]:
        """Return the first appointments of these patients that start after `now` and are not cancelled. Raises Unavailable."""
