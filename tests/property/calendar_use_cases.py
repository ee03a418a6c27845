"""The use cases of the calendar over one store, with a clock that tests set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from scheduling_svc.ports import CalendarStore
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.leaves import Leaves
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.slots import SlotSearch
from shared.contracts.http import DoctorRules, ServiceTypeRules
from tests.unit.scheduling.fakes import FakeRuleOwner, NoPatients


@dataclass
class CalendarUseCases:
    store: CalendarStore
    now: datetime
    slots: SlotSearch = field(init=False)
    reservations: Reservations = field(init=False)
    holds: Holds = field(init=False)
    leaves: Leaves = field(init=False)

    def __post_init__(self) -> None:
        rules = RuleCache(self.store, FakeRuleOwner())
        self.slots = SlotSearch(self.store, rules, self.clock)
        self.reservations = Reservations(self.store, rules, self.clock)
        self.holds = Holds(self.store, rules, self.clock, NoPatients())
        self.leaves = Leaves(self.store, rules, self.clock)

    def clock(self) -> datetime:
        return self.now

    @classmethod
    async def open(cls, store: CalendarStore, now: datetime, doctors: Iterable[DoctorRules], services: Iterable[ServiceTypeRules]) -> Self:
        """Return the use cases over a store that knows these doctors and services."""
        async with store.begin() as tx:
            for service in services:
                await tx.save_service_rules(service)
            for doctor in doctors:
                await tx.save_doctor_rules(doctor)
        return cls(store, now)
