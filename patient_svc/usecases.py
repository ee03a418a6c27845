"""What one can do at patient-service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patient_svc.domain import Patient, Visit
from patient_svc.ports import Store
from shared.contracts.events import AccountChanged, AppointmentEvent
from shared.contracts.http import CreatePatient
from shared.contracts.identity import Caller, Role
from shared.kit.clock import Clock
from shared.kit.ids import new_id


@dataclass(frozen=True, slots=True)
class Patients:
    store: Store
    now: Clock

    async def open(self, patient_id: UUID, profile: CreatePatient) -> Patient:
        """The profile half of a new patient; one that is there is answered as it stands."""
        async with self.store.begin() as tx:
            if known := await tx.find(patient_id):
                return known
            patient = Patient.opened(patient_id, profile)
            await tx.add(patient)
            await tx.add_event(patient.changed_event(new_id(), self.now()))
        return patient

    async def amend(self, patient_id: UUID, changes: Mapping[str, Any], expected: int | None) -> Patient:
        async with self.store.begin() as tx:
            patient = await tx.get(patient_id)
            amended = patient.amended(changes, expected, self.now())
            if amended != patient:
                await tx.save(amended)
                await tx.add_event(amended.changed_event(new_id(), self.now()))
        return amended

    async def seen(self, patient_id: UUID, by: Caller) -> Patient:
        """As much of a profile as the caller may see."""
        treated = by.role is Role.DOCTOR and await self.store.treats(by.id, patient_id)
        return (await self.store.patient(patient_id)).shown_to(by, treated)

    async def card(self, patient_id: UUID) -> Patient:
        """For a service that asks for someone who may know."""
        return await self.store.patient(patient_id)

    async def note_account(self, event: AccountChanged) -> None:
        """A disabled account, or one of another role, books no more."""
        async with self.store.begin() as tx:
            patient = await tx.find(event.account_id)
            if not await tx.mark_handled(event.id) or patient is None:
                return
            known = patient.with_account(event.role, event.status, event.version)
            if known != patient:
                await tx.save(known)
            if known.version != patient.version:
                await tx.add_event(known.changed_event(new_id(), self.now()))

    async def note_visit(self, event: AppointmentEvent) -> None:
        """Who treats whom."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.note(Visit.of(event))
