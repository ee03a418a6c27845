"""Knowing the rules of doctors and services: told by events, fetched at the first start, asked for when one is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from scheduling_svc.domain.refusals import UnknownDoctor, UnknownService
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Look, Rules, Store
from shared.contracts.events import DoctorChanged, ServiceChanged
from shared.contracts.http import DoctorRules, ServiceRules


@dataclass(frozen=True, slots=True)
class Opened:
    """A look into the calendar, and the rules that it is about."""

    look: Look
    service: Service
    doctors: list[Doctor]


@dataclass(frozen=True, slots=True)
class Rulebook:
    store: Store
    rules: Rules

    @asynccontextmanager
    async def opened(self, service_id: UUID, doctor_ids: Sequence[UUID] | None = None) -> AsyncIterator[Opened]:
        """A look into the calendar, at a service and some doctors, or all who offer it.

        A missing rule is asked for while no look is open; refuses with `unknown_service` or `unknown_doctor`.
        """
        async with self.store.look() as look:
            service, doctors = await _found(look, service_id, doctor_ids)
            missing = set(doctor_ids or ()) - {doctor.id for doctor in doctors}
            if service is not None and not missing:
                yield Opened(look, service, doctors)
                return
        service = service or await self._ask_service(service_id)
        asked = [await self._ask_doctor(doctor_id) for doctor_id in sorted(missing)]
        async with self.store.look() as look:
            yield Opened(look, service, doctors + asked)

    async def doctor_changed(self, event: DoctorChanged) -> None:
        async with self.store.begin() as tx:
            if await tx.first_time(event.id):
                await tx.learn_doctor(event.rules)

    async def service_changed(self, event: ServiceChanged) -> None:
        async with self.store.begin() as tx:
            if await tx.first_time(event.id):
                await tx.learn_service(event.rules)

    async def learn_all(self) -> int:
        """Fetches every rule, once in the life of the store; what events bring meanwhile is newer and stays."""
        if await self.store.all_learned():
            return 0
        learned = 0
        async for services in self.rules.services():
            learned += await self._learn(services=services)
        async for doctors in self.rules.doctors():
            learned += await self._learn(doctors=doctors)
        async with self.store.begin() as tx:
            await tx.note_all_learned()
        return learned

    async def _learn(self, *, services: Sequence[ServiceRules] = (), doctors: Sequence[DoctorRules] = ()) -> int:
        """A page is a transaction: short, and harmless to repeat."""
        async with self.store.begin() as tx:
            for service in services:
                await tx.learn_service(service)
            for doctor in doctors:
                await tx.learn_doctor(doctor)
        return len(services) + len(doctors)

    async def _ask_service(self, service_id: UUID) -> Service:
        found = await self.rules.service(service_id)
        if found is None:
            raise UnknownService(pointer="/service_id")
        await self._learn(services=[found])
        return Service.of(found)

    async def _ask_doctor(self, doctor_id: UUID) -> Doctor:
        found = await self.rules.doctor(doctor_id)
        if found is None:
            raise UnknownDoctor(pointer="/doctor_id")
        await self._learn(doctors=[found])
        return Doctor.of(found)


async def _found(look: Look, service_id: UUID, doctor_ids: Sequence[UUID] | None) -> tuple[Service | None, list[Doctor]]:
    service = await look.service(service_id)
    return service, await (look.doctors_of(service_id) if doctor_ids is None else look.doctors(doctor_ids))
