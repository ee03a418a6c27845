"""What the use cases of doctor-service need from outside."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from doctor_svc.domain.doctors import Doctor, DoctorProfile
from doctor_svc.domain.service_types import ServiceType
from shared.contracts.contacts import DoctorContact, ServiceReminders
from shared.contracts.events import Event
from shared.contracts.http import AccountSummary, CreateAccount, VisitsOutsideHours
from shared.contracts.names import NamedDoctor, NamedService

SortKey = tuple[str, ...] | None
"""The sort key of the last row of the previous page, as in the cursor; None for the first page."""


@dataclass(frozen=True, slots=True)
class DoctorFilter:
    """The criteria of a list of doctors. A doctor must match every field that is given, and one of the values of a field with several.

    `text` is split into words, each of which must occur in the name or in a specialty.
    """

    specialties: tuple[str, ...] = ()
    services: tuple[UUID, ...] = ()
    languages: tuple[str, ...] = ()
    location: str | None = None
    text: str | None = None


class DoctorTransaction(Protocol):
    """A transaction: it commits on leaving and rolls back on any exception.

    Rows that `get_` methods and `find_doctor` read are locked until then. The `insert_` methods raise TransactionAborted if another
    transaction inserted the same id first.
    """

    async def get_service_type(self, service_id: UUID) -> ServiceType:
        """Return a service type. Raises NoSuchService."""

    async def find_service_type(self, service_id: UUID) -> ServiceType | None:
        """Return a service type, or None."""

    async def insert_service_type(self, service_type: ServiceType) -> None:
        """Insert a service type."""

    async def update_service_type(self, service_type: ServiceType) -> None:
        """Store the new state of a service type."""

    async def list_existing_services(self, ids: Collection[UUID]) -> set[UUID]:
        """Return the ids among `ids` that belong to service types."""

    async def get_doctor(self, doctor_id: UUID) -> Doctor:
        """Return a doctor who is not pending. Raises NoSuchDoctor."""

    async def find_doctor(self, doctor_id: UUID) -> Doctor | None:
        """Return a doctor, pending ones included, or None."""

    async def insert_doctor(self, doctor: Doctor) -> None:
        """Insert a doctor."""

    async def update_doctor(self, doctor: Doctor) -> None:
        """Store the new state of a doctor."""

    async def delete_pending_doctor(self, doctor_id: UUID) -> None:
        """Delete a doctor if they are still pending."""

    async def take_due_doctors(self, now: datetime, limit: int) -> list[Doctor]:
        """Return pending doctors who are due, and record when each is due again; the pauses grow."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""


class DoctorStore(Protocol):
    """The database of doctor-service. Lists return up to `limit` rows after the row whose sort key is `after`."""

    def begin(self) -> AbstractAsyncContextManager[DoctorTransaction]:
        """Open a transaction."""

    async def get_service_type(self, service_id: UUID) -> ServiceType:
        """Return a service type. Raises NoSuchService."""

    async def list_service_types(self, *, active: bool | None, limit: int, after: SortKey) -> list[ServiceType]:
        """Return service types by name and id: active ones, inactive ones, or all (None)."""

    async def list_specialties(self) -> list[str]:
        """Return the specialties of active service types and of active doctors, each once, in alphabetical order."""

    async def get_doctor(self, doctor_id: UUID) -> Doctor:
        """Return a doctor who is not pending. Raises NoSuchDoctor."""

    async def list_active_doctors(self, doctor_filter: DoctorFilter, *, limit: int, after: SortKey) -> list[DoctorProfile]:
        """Return the profiles of active doctors who match, by name and id."""

    async def list_doctor_contacts(self, ids: Collection[UUID]) -> list[DoctorContact]:
        """Return the doctors among `ids` who exist and are not pending, with one query."""

    async def list_service_reminders(self, ids: Collection[UUID]) -> list[ServiceReminders]:
        """Return the service types among `ids` that exist, with one query."""

    async def list_doctor_names(self, ids: Collection[UUID]) -> list[NamedDoctor]:
        """Return the names of the doctors among `ids` who exist and are not pending."""

    async def list_service_names(self, ids: Collection[UUID]) -> list[NamedService]:
        """Return the names of the service types among `ids` that exist."""

    async def list_all_doctors(self, *, limit: int, after: SortKey) -> list[Doctor]:
        """Return active and inactive doctors with their schedules, by id. Pending ones are left out."""


class DoctorAccountClient(Protocol):
    """auth-service, which owns the accounts."""

    async def create(self, account_id: UUID, account: CreateAccount) -> AccountSummary:
        """Create an account, or return the one that has this id. Raises what auth-service refuses, such as EmailTaken."""


class CalendarClient(Protocol):
    """scheduling-service, which keeps a copy of the rules and knows the booked visits. All methods raise Unavailable."""

    async def follow_doctor(self, doctor_id: UUID, version: int) -> None:
        """Make the calendar fetch the rules of a doctor, unless it has them in this version; repeating the call changes nothing."""

    async def follow_service(self, service_id: UUID, version: int) -> None:
        """Make the calendar fetch the rules of a service type, unless it has them in this version; repeating the call changes nothing."""

    async def list_visits_outside_hours(self, doctor_id: UUID, version: int) -> VisitsOutsideHours:
        """Return the booked visits outside the hours of a doctor's rules in this version, which the calendar fetches first if needed."""
