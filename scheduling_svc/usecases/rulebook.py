"""Knowing the rules of doctors and services: told by events, fetched at the first start, asked for when one is missing or too old."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from scheduling_svc.domain.refusals import UnknownDoctor, UnknownService
from scheduling_svc.domain.terms import Doctor, Service
from scheduling_svc.ports import Look, Rules, Store, Transaction
from shared.contracts.events import DoctorChanged, ServiceChanged
from shared.contracts.http import DoctorRules, ServiceTypeRules

L = TypeVar("L", bound=Look)


async def _nobody(_tx: Transaction, _doctor: Doctor) -> None:
    """Nobody is concerned."""


@dataclass(frozen=True, slots=True)
class Opened(Generic[L]):
    """A look into the calendar, or a transaction of it, and the rules that it is about."""

    look: L
    service: Service
    doctors: list[Doctor]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """`concerned` is told of every doctor whose rules are new, in the transaction that learns them."""

    store: Store
    rules: Rules
    concerned: Callable[[Transaction, Doctor], Awaitable[None]] = _nobody

    def opened(self, service_id: UUID, doctor_ids: Sequence[UUID] | None = None) -> AbstractAsyncContextManager[Opened[Look]]:
        """A look into the calendar, at a service and some doctors, or all who offer it.

        A missing rule is asked for while no look is open; refuses with `unknown_service` or `unknown_doctor`.
        """
        return self._opened(self.store.look, service_id, doctor_ids, {})

    def begun(
        self, service_id: UUID, doctor_ids: Sequence[UUID] | None = None, *, seen: Mapping[UUID, int] | None = None
    ) -> AbstractAsyncContextManager[Opened[Transaction]]:
        """As `opened`, for one who is going to write what was decided, and has seen rules of these versions: an older one is asked for."""
        return self._opened(self.store.begin, service_id, doctor_ids, seen or {})

    @asynccontextmanager
    async def _opened(
        self,
        door: Callable[[], AbstractAsyncContextManager[L]],
        service_id: UUID,
        doctor_ids: Sequence[UUID] | None,
        seen: Mapping[UUID, int],
    ) -> AsyncIterator[Opened[L]]:
        async with door() as look:
            service, doctors = await _found(look, service_id, doctor_ids, seen)
            missing = set(doctor_ids or ()) - {doctor.id for doctor in doctors}
            if service is not None and not missing:
                yield Opened(look, service, doctors)
                return
        service = service or await self._ask_service(service_id)
        asked = [await self._ask_doctor(doctor_id) for doctor_id in sorted(missing)]
        async with door() as look:
            yield Opened(look, service, doctors + asked)

    async def doctor(self, doctor_id: UUID) -> Doctor:
        """Refuses with `unknown_doctor`."""
        async with self.store.look() as look:
            known = await look.doctors([doctor_id])
        return known[0] if known else await self._ask_doctor(doctor_id)

    async def doctor_changed(self, event: DoctorChanged) -> None:
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await self._learn_doctor(tx, event.rules)

    async def service_changed(self, event: ServiceChanged) -> None:
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
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

    async def _learn(self, *, services: Sequence[ServiceTypeRules] = (), doctors: Sequence[DoctorRules] = ()) -> int:
        """A page is a transaction: short, and harmless to repeat."""
        async with self.store.begin() as tx:
            for service in services:
                await tx.learn_service(service)
            for doctor in doctors:
                await self._learn_doctor(tx, doctor)
        return len(services) + len(doctors)

    async def _learn_doctor(self, tx: Transaction, rules: DoctorRules) -> None:
        if await tx.learn_doctor(rules):
            await self.concerned(tx, Doctor.of(rules))

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


async def _found(
    look: Look, service_id: UUID, doctor_ids: Sequence[UUID] | None, seen: Mapping[UUID, int]
) -> tuple[Service | None, list[Doctor]]:
    """What is known, and not older than what was seen."""
    service = await look.service(service_id)
    doctors = await (look.doctors_of(service_id) if doctor_ids is None else look.doctors(doctor_ids))
    return (
        service if service is not None and service.version >= seen.get(service.id, 0) else None,
        [doctor for doctor in doctors if doctor.version >= seen.get(doctor.id, 0)],
    )
