"""For random clinics, list, explanation, hold and reservation give the answer of the oracle: what is listed can be booked, and nothing
else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings

from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.ports import CalendarStore
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.slots import SlotQuery, SlotSearch
from shared.contracts.http import Actor, ReserveTime
from shared.contracts.refusals import Refusal
from tests.contract.grain_table import open_store
from tests.property.clinics import DOCTOR, PATIENT, SERVICE
from tests.property.filled_clinic import ClinicFiller, RandomClinic, random_clinics
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar, NoPatients

REQUEST_ID = UUID(int=0xABC)
CONFLICTS = {"taken": "slot_taken", "buffer": "slot_taken", "held": "slot_held", "patient_busy": "patient_busy"}
CAPS = {"daily_cap_reached", "weekly_cap_reached"}


class RolledBack(Exception):
    """Raised to roll back a trial."""


@dataclass(frozen=True)
class RollbackStore:
    """A store whose transactions decide and write, and are then rolled back."""

    store: CalendarStore

    def read(self) -> object:
        return self.store.read()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[object]:
        async with self.store.begin() as tx:
            yield tx
            raise RolledBack


async def refusal_of(action: Awaitable[object]) -> Refusal | None:
    """Return the refusal, or None if the request is granted."""
    try:
        await action
    except RolledBack:
        return None
    except Refusal as refusal:
        return refusal
    raise AssertionError("the transaction did not reach its end")


@dataclass(frozen=True)
class ClinicQueries:
    """All ways to query the calendar, for one caller at one moment."""

    store: CalendarStore
    clinic: RandomClinic

    @property
    def rules(self) -> RuleCache:
        return RuleCache(RollbackStore(self.store), FakeRuleOwner())  # type: ignore[arg-type]

    def now(self) -> datetime:
        return self.clinic.now

    async def list_free(self) -> set[datetime]:
        query = SlotQuery(SERVICE, (DOCTOR,), begins=self.clinic.begins, ends=self.clinic.ends, limit=1000)
        return {slot.starts_at for slot in (await SlotSearch(self.store, self.rules, self.now).list_free(query, self.clinic.by)).items}

    async def explain(self, start: datetime) -> set[str]:
        explanation = await SlotSearch(self.store, self.rules, self.now).explain(SERVICE, DOCTOR, start, self.clinic.by)
        return {reason.code for reason in explanation.reasons}

    async def try_booking(self, start: datetime) -> Refusal | None:
        by = Actor(id=self.clinic.by.id, role=self.clinic.by.role)
        request = ReserveTime(service_id=SERVICE, doctor_id=DOCTOR, patient_id=PATIENT, starts_at=start, revision=1, by=by)
        return await refusal_of(Reservations(RollbackStore(self.store), self.rules, self.now).reserve(REQUEST_ID, request))  # type: ignore[arg-type]

    async def try_holding(self, start: datetime) -> Refusal | None:
        holds = Holds(RollbackStore(self.store), self.rules, self.now, NoPatients())  # type: ignore[arg-type]
        return await refusal_of(holds.hold(REQUEST_ID, HoldRequest(SERVICE, DOCTOR, start), self.clinic.by))


def is_refusal_for(refusal: Refusal | None, reasons: set[str]) -> bool:
    """Return True if a refusal gives just these reasons. If only claims of others apply, it must be the conflict for the first of them."""
    if refusal is None or not reasons:
        return refusal is None and not reasons
    if reasons & CONFLICTS.keys() and reasons <= CONFLICTS.keys() | CAPS:
        return refusal.code == next(CONFLICTS[code] for code in CONFLICTS if code in reasons)
    return refusal.code == "not_bookable" and {reason["code"] for reason in refusal.facts["reasons"]} == reasons


async def assert_agreement(store: CalendarStore, clinic: RandomClinic) -> None:
    """Compare every answer with the oracle. For staff, only the booking names the patient, who may be busy."""
    oracle, use_cases = await ClinicFiller(store, clinic).fill(), ClinicQueries(store, clinic)
    own = [(visit.starts_at, visit.ends_at) for visit in oracle.booked if visit is clinic.booked[0]]
    listed = await use_cases.list_free()
    for start in clinic.starts:
        reasons = oracle.reasons(start)
        assert await use_cases.explain(start) == reasons
        assert await use_cases.explain(start + clinic.lateness) == oracle.reasons(start + clinic.lateness)
        assert (start in listed) == (not reasons)
        held = await use_cases.try_holding(start)
        assert is_refusal_for(held, reasons) or (held is not None and held.code == "too_many_holds" and not reasons)
        busy = any(start < end and begin < start + oracle.visit for begin, end in own)
        assert is_refusal_for(await use_cases.try_booking(start), reasons | ({"patient_busy"} if busy else set()))


@given(random_clinics())
@settings(max_examples=60, deadline=None)
async def test_list_explanation_hold_and_reservation_agree_with_the_oracle(clinic: RandomClinic) -> None:
    await assert_agreement(InMemoryCalendar(), clinic)


@given(random_clinics())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_they_agree_with_the_oracle_on_a_real_store(tmp_path: Path, clinic: RandomClinic) -> None:
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / str(uuid4())}.db") as store:
        await assert_agreement(store, clinic)
