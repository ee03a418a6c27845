"""What the use cases of patient-service need from outside."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from patient_svc.domain import Patient, Visit
from shared.contracts.events import Event


class Transaction(Protocol):
    """Commits on leaving, rolls back on any exception. `get` and `find` lock the row."""

    async def get(self, patient_id: UUID) -> Patient: ...

    async def find(self, patient_id: UUID) -> Patient | None: ...

    async def add(self, patient: Patient) -> None: ...

    async def save(self, patient: Patient) -> None: ...

    async def note(self, visit: Visit) -> None:
        """Keeps the newest version."""

    async def mark_handled(self, event_id: UUID) -> bool: ...

    async def add_event(self, event: Event) -> None: ...


class Store(Protocol):
    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def patient(self, patient_id: UUID) -> Patient: ...

    async def treats(self, doctor_id: UUID, patient_id: UUID) -> bool: ...
