"""What the use cases of admin-service need from outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import ConfigDict

from admin_svc.domain import NewUser, Wish
from shared.contracts.http import AccountSummary, Actor, CreateAccount
from shared.contracts.values import Instant, ReadModel

T = TypeVar("T")


class Appointment(ReadModel):
    """An appointment in the words of appointment-service: what has no name here passes through."""

    model_config = ConfigDict(extra="allow")
    id: UUID
    status: str
    starts_at: Instant
    version: int


class Dismissed(AccountSummary):
    """A disabled account, and what was still to come."""

    future_appointments: list[Appointment]


class Listed(ReadModel, Generic[T]):
    """A page as its owner cut it."""

    items: list[T]
    next: str | None = None


class Wishes(Protocol):
    """New users on paper. Each verb is one transaction."""

    async def note(self, user: NewUser, at: datetime) -> None:
        """A second time changes nothing."""

    async def forget(self, user_id: UUID) -> None: ...

    async def take_up(self, before: datetime, now: datetime) -> list[Wish]:
        """Some of those last tried before an instant; they count as tried now."""


class Accounts(Protocol):
    """auth-service."""

    async def make(self, account_id: UUID, account: CreateAccount) -> AccountSummary: ...

    async def get(self, account_id: UUID) -> AccountSummary: ...

    async def listed(self, **filters: Any) -> Listed[AccountSummary]: ...

    async def change(self, account_id: UUID, changes: Mapping[str, Any], expected: int | None = None) -> AccountSummary: ...


class Doctors(Protocol):
    """doctor-service; it makes the account too."""

    async def make(self, doctor_id: UUID, profile: Mapping[str, Any]) -> None: ...

    async def rename(self, doctor_id: UUID, full_name: str) -> None: ...


class Patients(Protocol):
    """patient-service."""

    async def rename(self, patient_id: UUID, full_name: str) -> None: ...


class Appointments(Protocol):
    """appointment-service."""

    async def get(self, appointment_id: UUID) -> Appointment: ...

    async def listed(self, **filters: Any) -> Listed[Appointment]: ...

    async def change(self, appointment_id: UUID, changes: Mapping[str, Any], by: Actor, expected: int | None) -> Appointment: ...

    async def cancel(self, appointment_id: UUID, by: Actor) -> None: ...
