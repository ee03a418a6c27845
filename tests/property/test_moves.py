"""Random reservations, moves, repetitions and releases on a real store: after them every grain belongs to the expected claim."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.http import ServiceTypeRules, WeeklyWindow
from shared.contracts.refusals import Refusal
from shared.contracts.relayed_refusals import PatientBusy, ReservationReleased, SlotTaken
from tests.contract.grain_table import list_claimed_grains, open_store
from tests.unit.scheduling.builders import NINE, NOON, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner

ALL_DAY = [WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in range(1, 8)]
SERVICES = [
    a_service(id=UUID(int=1), slot_step_minutes=5, duration_minutes=10),
    a_service(id=UUID(int=2), slot_step_minutes=5, duration_minutes=20, buffer_before_minutes=5, buffer_after_minutes=10),
]
steps = st.tuples(
    st.sampled_from(["reserve", "reserve", "reserve", "release"]),
    st.integers(0, 4),  # appointment
    st.integers(0, 1),  # doctor
    st.integers(0, 2),  # patient
    st.integers(0, 12),  # start, in steps of five minutes
    st.integers(0, 1),  # service
    st.sampled_from([-1, 0, 1, 1, 1]),  # how much higher the revision is than the last
)
Grains = dict[tuple[UUID, int], UUID]


@dataclass
class ExpectedGrains:
    """What should be stored: the revisions, the live claims, and the claim of every grain."""

    revisions: dict[UUID, int] = field(default_factory=dict)
    live: set[UUID] = field(default_factory=set)
    grains: Grains = field(default_factory=dict)

    def reserve(
        self, appointment: UUID, revision: int, doctor: set[tuple[UUID, int]], patient: set[tuple[UUID, int]]
    ) -> type[Refusal] | None:
        if revision <= self.revisions.get(appointment, 0):
            return None if appointment in self.live else ReservationReleased
        others = {grain for grain, who in self.grains.items() if who != appointment}
        if doctor & others or patient & others:
            return SlotTaken if doctor & others else PatientBusy
        self._forget(appointment)
        self.grains |= dict.fromkeys(doctor | patient, appointment)
        self.live.add(appointment)
        self.revisions[appointment] = revision
        return None

    def release(self, appointment: UUID, revision: int) -> None:
        if revision >= self.revisions.get(appointment, 0):
            self._forget(appointment)
            self.revisions[appointment] = revision

    def _forget(self, appointment: UUID) -> None:
        self.grains = {grain: who for grain, who in self.grains.items() if who != appointment}
        self.live.discard(appointment)


def grains_of(who: UUID, start: int, service: ServiceTypeRules, *, buffers: bool) -> set[tuple[UUID, int]]:
    first = int(NINE.timestamp()) // 300 + start
    before, after = (service.buffer_before_minutes // 5, service.buffer_after_minutes // 5) if buffers else (0, 0)
    return {(who, grain) for grain in range(first - before, first + service.duration_minutes // 5 + after)}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlCalendarStore]:
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'moves.db'}") as store:
        yield store


@given(st.lists(steps, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_grain_belongs_to_the_expected_claim(
    store: SqlCalendarStore, steps_taken: list[tuple[str, int, int, int, int, int, int]]
) -> None:
    doctors, patients, appointments = ([uuid4() for _ in range(count)] for count in (2, 3, 5))
    reservations, expected_grains = Reservations(store, RuleCache(store, FakeRuleOwner()), lambda: NOON), ExpectedGrains()
    async with store.begin() as tx:
        for doctor_id in doctors:
            await tx.save_doctor_rules(
                a_doctor(id=doctor_id, time_zone="UTC", weekly=ALL_DAY, services=[service.id for service in SERVICES])
            )
        for service in SERVICES:
            await tx.save_service_rules(service)
    for action, appointment, doctor, patient, start, service_index, revision_step in steps_taken:
        appointment_id, who, patient_id, service = appointments[appointment], doctors[doctor], patients[patient], SERVICES[service_index]
        revision = max(expected_grains.revisions.get(appointment_id, 0) + revision_step, 1)
        if action == "release":
            await reservations.release(appointment_id, revision)
            expected_grains.release(appointment_id, revision)
        else:
            request = a_reservation_request(
                service_id=service.id,
                doctor_id=who,
                patient_id=patient_id,
                starts_at=NINE + timedelta(minutes=5 * start),
                revision=revision,
            )
            taken = grains_of(who, start, service, buffers=True), grains_of(patient_id, start, service, buffers=False)
            expected = expected_grains.reserve(appointment_id, revision, *taken)
            if expected is None:
                await reservations.reserve(appointment_id, request)
            else:
                with pytest.raises(expected):
                    await reservations.reserve(appointment_id, request)
    mine = set(doctors) | set(patients)
    assert {grain: claim for grain, claim in (await list_claimed_grains(store)).items() if grain[0] in mine} == expected_grains.grains
