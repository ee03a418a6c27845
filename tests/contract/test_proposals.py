"""The proposals of a leave's preview: any combination of them can be taken at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.leaves import AffectedAppointment, LeaveDecision
from scheduling_svc.repository import SqlCalendarStore, SqlCalendarTransaction
from scheduling_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.identity import Service
from tests.contract.grain_table import open_store
from tests.contract.leave_scenarios import HALF, MORNING, book, keep, move, patient, preview, take
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_service

GROUP, CAPPED, EARLY, QUARTERLY, THIRD, FOURTH = (UUID(int=number) for number in (0x61, 0x62, 0x63, 0x64, 0xD3, 0xD4))
SERVICES = [
    a_service(),
    a_service(id=GROUP, capacity=2),
    a_service(id=CAPPED, daily_cap=2),
    a_service(id=EARLY, buffer_before_minutes=15),
    a_service(id=QUARTERLY, capacity=2, slot_step_minutes=15, buffer_after_minutes=5),
]
ALL = [service.id for service in SERVICES]


class TrialRolledBack(Exception):
    """Raised to roll back a trial."""


@dataclass(frozen=True)
class TrialStore(SqlCalendarStore):
    """A store whose transactions are rolled back."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[SqlCalendarTransaction]:
        async with self.database.write() as connection:
            yield SqlCalendarTransaction(connection, INFRASTRUCTURE, Service.SCHEDULING, self.now)
            raise TrialRolledBack


@dataclass(frozen=True)
class PlannedAppointment:
    """An appointment that starts `half_hours` after nine."""

    service: UUID = CHECKUP
    half_hours: int = 0
    patient: int | None = None
    doctor: UUID = DOCTOR


CLINICS = {
    "two of one patient": [PlannedAppointment(patient=1), PlannedAppointment(half_hours=1, patient=1)],
    "one patient, and all times of a colleague but two": [
        PlannedAppointment(patient=1),
        PlannedAppointment(half_hours=1, patient=1),
        *(PlannedAppointment(half_hours=halves, doctor=COLLEAGUE) for halves in range(2, 16)),
    ],
    "two of one patient, and three colleagues who have no time before ten": [
        PlannedAppointment(patient=1),
        PlannedAppointment(half_hours=1, patient=1),
        *(PlannedAppointment(half_hours=halves, doctor=doctor) for halves in range(2) for doctor in (COLLEAGUE, THIRD, FOURTH)),
    ],
    "a cap": [PlannedAppointment(CAPPED), PlannedAppointment(CAPPED, 1)],
    "a cap that a colleague has half reached": [
        PlannedAppointment(CAPPED),
        PlannedAppointment(CAPPED, 1),
        PlannedAppointment(CAPPED, 7, doctor=COLLEAGUE),
    ],
    "a buffer before": [PlannedAppointment(EARLY, 1), PlannedAppointment(EARLY, 3)],
    "a group": [PlannedAppointment(GROUP), PlannedAppointment(GROUP), PlannedAppointment(GROUP, doctor=COLLEAGUE)],
    "two groups": [PlannedAppointment(GROUP), PlannedAppointment(GROUP), PlannedAppointment(GROUP, 1)],
    "groups whose times overlap": [
        PlannedAppointment(QUARTERLY),
        PlannedAppointment(QUARTERLY, 2),
        PlannedAppointment(QUARTERLY, 1, doctor=COLLEAGUE),
    ],
    "a group and then one alone": [PlannedAppointment(GROUP), PlannedAppointment(CHECKUP, 1)],
    "one alone and then a group": [PlannedAppointment(CHECKUP), PlannedAppointment(GROUP, 1)],
    "a group, then one alone, all of one patient": [PlannedAppointment(GROUP, 0, 1), PlannedAppointment(CHECKUP, 1, 1)],
}


@asynccontextmanager
async def a_clinic(folder: Path, *others: UUID, **colleague: Any) -> AsyncIterator[tuple[CalendarUseCases, CalendarUseCases]]:
    """Return the use cases, and the same over a store in which everything is a trial."""
    doctors = [a_doctor(id=doctor_id, services=ALL) for doctor_id in (DOCTOR, *others)]
    doctors.append(a_doctor(**{"id": COLLEAGUE, "services": ALL} | colleague))
    async with open_store(f"sqlite+aiosqlite:///{folder / 'test.db'}") as store:
        yield await CalendarUseCases.open(store, NOON, doctors, SERVICES), CalendarUseCases(TrialStore(store.database, store.now), NOON)


def possible_decisions(affected: AffectedAppointment) -> list[LeaveDecision]:
    """Return every proposal of an appointment, and none."""
    number = affected.appointment_id.int
    return [keep(number), *(move(number, item.starts_at, item.doctor_id) for item in affected.proposals)]


@pytest.mark.parametrize("booked", CLINICS.values(), ids=CLINICS.keys())
async def test_all_combinations_of_proposals_can_be_taken_at_once(tmp_path: Path, booked: Sequence[PlannedAppointment]) -> None:
    async with a_clinic(tmp_path, *{item.doctor for item in booked} - {DOCTOR, COLLEAGUE}) as (use_cases, trial):
        for number, item in enumerate(booked, start=1):
            patient_id = patient(item.patient or number)
            await book(
                use_cases, number, NINE + item.half_hours * HALF, service_id=item.service, doctor_id=item.doctor, patient_id=patient_id
            )
        affected = await preview(use_cases)
        assert all(item.proposals for item in affected)
        for chosen in product(*map(possible_decisions, affected)):
            with pytest.raises(TrialRolledBack):
                await take(trial, *chosen)


async def list_proposals(use_cases: CalendarUseCases, nth: int = 0, until: datetime = MORNING[1]) -> list[tuple[UUID, int]]:
    """Return the proposals for one appointment: the doctor, and the half hours after nine."""
    affected = await preview(use_cases, time=(NINE, until))
    return [(item.doctor_id, (item.starts_at - NINE) // HALF) for item in affected[nth].proposals]


async def test_proposals_are_two_colleagues_on_that_day_and_then_the_doctors_next_time(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, THIRD, FOURTH) as (use_cases, _):
        await book(use_cases, 1, NINE + 2 * HALF)
        assert await list_proposals(use_cases) == [(COLLEAGUE, 2), (THIRD, 2), (DOCTOR, 6)]
        await book(use_cases, 2, NINE + 2 * HALF, doctor_id=COLLEAGUE)
        assert await list_proposals(use_cases) == [(THIRD, 2), (FOURTH, 2), (DOCTOR, 6)]
        for number, doctor in enumerate((THIRD, FOURTH), start=3):
            await book(use_cases, number, NINE + 2 * HALF, doctor_id=doctor)
        await book(use_cases, 5, NINE + 6 * HALF)
        await book(use_cases, 6, NINE + 1 * HALF, doctor_id=COLLEAGUE)
        await book(use_cases, 7, NINE + 3 * HALF, doctor_id=COLLEAGUE)
        assert await list_proposals(use_cases) == [(THIRD, 1), (FOURTH, 1), (DOCTOR, 7)]


async def test_the_doctors_own_next_time_leaves_room_for_a_buffer_after_the_leave(tmp_path: Path) -> None:
    async with a_clinic(tmp_path) as (use_cases, _):
        await book(use_cases, 1, NINE + HALF, service_id=EARLY)
        assert await list_proposals(use_cases) == [(COLLEAGUE, 1), (DOCTOR, 7)]


async def test_the_time_of_an_appointment_counts_as_free_for_its_own_proposals(tmp_path: Path) -> None:
    async with a_clinic(tmp_path) as (use_cases, _):
        await book(use_cases, 1, NINE + HALF, service_id=EARLY)
        assert await list_proposals(use_cases, until=NINE + HALF + timedelta(minutes=5)) == [(COLLEAGUE, 1), (DOCTOR, 2)]


async def test_an_appointment_does_not_count_against_itself(tmp_path: Path) -> None:
    async with a_clinic(tmp_path) as (use_cases, _):
        for number, halves in enumerate((0, 8), start=1):
            await book(use_cases, number, NINE + halves * HALF, service_id=CAPPED)
        assert await list_proposals(use_cases) == [(COLLEAGUE, 0), (DOCTOR, 6)]


async def test_what_is_proposed_for_one_service_does_not_count_against_the_cap_of_another(tmp_path: Path) -> None:
    async with a_clinic(tmp_path) as (use_cases, _):
        for number, service in enumerate((CHECKUP, CHECKUP, CAPPED), start=1):
            await book(use_cases, number, NINE + number * HALF, service_id=service)
        assert await list_proposals(use_cases, 2) == [(COLLEAGUE, 3), (DOCTOR, 8)]


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"services": [GROUP]}, {"weekly": []}, {"accepting_patients": False}],
    ids=["inactive", "of another service", "without hours", "full"],
)
async def test_a_colleague_who_cannot_be_booked_is_not_proposed(tmp_path: Path, change: dict[str, Any]) -> None:
    async with a_clinic(tmp_path, THIRD, **change) as (use_cases, _):
        await book(use_cases, 1)
        assert await list_proposals(use_cases) == [(THIRD, 0), (DOCTOR, 6)]


async def test_inactive_colleagues_are_not_counted_among_the_colleagues_of_a_query(tmp_path: Path) -> None:
    async with a_clinic(tmp_path) as (use_cases, _):
        async with use_cases.store.begin() as tx:
            for number in range(0xE0, 0xF8):
                await tx.save_doctor_rules(a_doctor(id=UUID(int=number), services=ALL, active=False))
            await tx.save_doctor_rules(a_doctor(id=UUID(int=0xF9), services=ALL))
        await book(use_cases, 1)
        assert await list_proposals(use_cases) == [(COLLEAGUE, 0), (UUID(int=0xF9), 0), (DOCTOR, 6)]


async def test_colleagues_are_searched_until_enough_have_time(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, weekly=[]) as (use_cases, _):
        async with use_cases.store.begin() as tx:
            for number in range(0xE0, 0xF8):
                await tx.save_doctor_rules(a_doctor(id=UUID(int=number), services=ALL, weekly=[]))
            for number in (0xF8, 0xF9):
                await tx.save_doctor_rules(a_doctor(id=UUID(int=number), services=ALL))
        await book(use_cases, 1)
        assert await list_proposals(use_cases) == [(UUID(int=0xF8), 0), (UUID(int=0xF9), 0), (DOCTOR, 6)]


async def test_without_colleagues_and_free_time_up_to_the_horizon_there_are_no_proposals(tmp_path: Path) -> None:
    async with a_clinic(tmp_path, active=False) as (use_cases, _):
        await book(use_cases, 1)
        (affected,) = await preview(use_cases, time=(NINE, NOON + timedelta(days=90)))
        assert affected.proposals == []
