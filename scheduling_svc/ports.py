"""What the use cases of scheduling-service need from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from scheduling_svc.domain.claims import Claim, Engagement
from scheduling_svc.domain.terms import Doctor, Service
from shared.contracts.grains import Span
from shared.contracts.http import DoctorRules, ServiceRules
from shared.kit.retry import Aborted


class Overtaken(Aborted):
    """Someone else took a grain, or the same claim, after the calendar was looked at: it must be looked at again."""


class Look(Protocol):
    """A look into the calendar."""

    async def claim(self, appointment_id: UUID) -> Claim | None: ...

    async def engagements(self, people: Collection[UUID], within: Span, *, but: UUID | None = None) -> Mapping[UUID, Sequence[Engagement]]:
        """What of each person's time touches a span; one claim may be left out. A person without any may be missing."""

    async def service(self, service_id: UUID) -> Service | None: ...

    async def doctors(self, ids: Collection[UUID]) -> list[Doctor]:
        """Those that are known."""

    async def doctors_of(self, service_id: UUID) -> list[Doctor]: ...


class Transaction(Protocol):
    """Commits on leaving, rolls back on any exception."""

    async def put(self, claim: Claim, standing: Claim | None) -> None:
        """Writes a claim in place of the standing one, with its grains; Overtaken when that stands no more or a grain is not free."""

    async def first_time(self, event_id: UUID) -> bool: ...

    async def learn_doctor(self, rules: DoctorRules) -> None:
        """Keeps the newest version."""

    async def learn_service(self, rules: ServiceRules) -> None:
        """Keeps the newest version."""

    async def note_all_learned(self) -> None: ...


class Store(Protocol):
    def look(self) -> AbstractAsyncContextManager[Look]: ...

    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def reservations(self, limit: int, after: tuple[str, ...] | None) -> list[Claim]:
        """Live ones in the order of their ids."""

    async def all_learned(self) -> bool:
        """Whether every rule was fetched once."""


class Rules(Protocol):
    """The owner of the rules of doctors and services."""

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None: ...

    async def service(self, service_id: UUID) -> ServiceRules | None: ...

    def doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        """All, page by page."""

    def services(self) -> AsyncIterator[Sequence[ServiceRules]]:
        """All, page by page."""
