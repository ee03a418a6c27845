"""The use cases of the calendar over one store, with a clock that moves when told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from scheduling_svc.ports import Store
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.leaves import Leaves
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rulebook import Rulebook
from scheduling_svc.usecases.slots import Slots
from shared.contracts.http import DoctorRules, ServiceTypeRules
from tests.unit.scheduling.fakes import Owner


@dataclass
class Desk:
    store: Store
    now: datetime
    slots: Slots = field(init=False)
    reservations: Reservations = field(init=False)
    holds: Holds = field(init=False)
    leaves: Leaves = field(init=False)

    def __post_init__(self) -> None:
        rulebook = Rulebook(self.store, Owner())
        self.slots = Slots(rulebook, self.clock)
        self.reservations = Reservations(self.store, rulebook, self.clock)
        self.holds = Holds(self.store, rulebook, self.clock)
        self.leaves = Leaves(self.store, rulebook, self.clock)

    def clock(self) -> datetime:
        return self.now

    @classmethod
    async def opened(cls, store: Store, now: datetime, doctors: Iterable[DoctorRules], services: Iterable[ServiceTypeRules]) -> Self:
        """At a store that knows these doctors and services."""
        async with store.begin() as tx:
            for service in services:
                await tx.learn_service(service)
            for doctor in doctors:
                await tx.learn_doctor(doctor)
        return cls(store, now)
