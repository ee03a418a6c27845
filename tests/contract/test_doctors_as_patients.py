"""A doctor can be a patient, too: the doctor's own busy time gives the same reasons and refusals in every use case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.domain.leaves import Leave
from scheduling_svc.usecases.slots import SlotQuery
from shared.contracts.http import Actor, ReserveTime
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import PatientBusy
from tests.contract.grain_table import open_store
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_reservation_request, a_service

GROUP = UUID(int=0x61)
QUARTER, HALF = timedelta(minutes=15), timedelta(minutes=30)
DOCTOR_AS_PATIENT, SOMEONE = Caller(DOCTOR, Role.PATIENT), Caller(UUID(int=0xB), Role.PATIENT)


@pytest.fixture
async def use_cases(sql_url: str) -> AsyncIterator[CalendarUseCases]:
    """Two doctors who offer the same services: single visits, and groups of three with a buffer of a quarter of an hour afterwards."""
    doctors = [a_doctor(id=doctor_id, services=[CHECKUP, GROUP]) for doctor_id in (DOCTOR, COLLEAGUE)]
    services = [a_service(slot_step_minutes=15), a_service(id=GROUP, capacity=3, buffer_after_minutes=15)]
    async with open_store(sql_url) as store:
        yield await CalendarUseCases.open(store, NOON, doctors, services)


def request(quarters: int, doctor: UUID = COLLEAGUE, service: UUID = CHECKUP, revision: int = 1) -> ReserveTime:
    """Return a request of the doctor as a patient, some time after nine."""
    by = Actor(id=DOCTOR, role=Role.PATIENT)
    start = NINE + quarters * QUARTER
    return a_reservation_request(patient_id=DOCTOR, doctor_id=doctor, service_id=service, starts_at=start, by=by, revision=revision)


async def reasons_against(use_cases: CalendarUseCases, reservation_request: ReserveTime) -> list[str]:
    """Return the reasons against a start; list, explanation and booking must agree."""
    assert reservation_request.doctor_id is not None
    explanation = await use_cases.slots.explain(
        reservation_request.service_id, reservation_request.doctor_id, reservation_request.starts_at, DOCTOR_AS_PATIENT
    )
    query = SlotQuery(
        reservation_request.service_id,
        (reservation_request.doctor_id,),
        reservation_request.starts_at,
        reservation_request.starts_at + timedelta(minutes=5),
    )
    assert bool((await use_cases.slots.list_free(query, DOCTOR_AS_PATIENT)).items) is explanation.bookable
    return [reason.code for reason in explanation.reasons]


async def check_starts(use_cases: CalendarUseCases, free: dict[int, bool]) -> None:
    """Check whether the doctor can be a patient at some quarters of an hour after nine: explain each start, then book and release it."""
    assert {quarters: await reasons_against(use_cases, request(quarters)) for quarters in free} == {
        quarters: [] if is_free else ["patient_busy"] for quarters, is_free in free.items()
    }
    for quarters, is_free in free.items():
        appointment_id = uuid4()
        if is_free:
            await use_cases.reservations.reserve(appointment_id, request(quarters))
            await use_cases.reservations.release(appointment_id, 1)
        else:
            with pytest.raises(PatientBusy):
                await use_cases.reservations.reserve(appointment_id, request(quarters))


async def test_a_doctor_on_leave_cannot_be_booked_as_a_patient(use_cases: CalendarUseCases) -> None:
    leave = Leave(UUID(int=7), DOCTOR, NINE + HALF, NINE + 2 * HALF, "Away", DOCTOR, NOON)
    await use_cases.leaves.take(leave, Caller(DOCTOR, Role.DOCTOR))
    await check_starts(use_cases, {0: True, 1: False, 2: False, 3: False, 4: True})


async def test_a_doctor_who_sees_a_patient_is_not_free_until_the_buffer_is_over(use_cases: CalendarUseCases) -> None:
    await use_cases.reservations.reserve(UUID(int=1), a_reservation_request(service_id=GROUP, patient_id=SOMEONE.id, starts_at=NINE + HALF))
    await check_starts(use_cases, {0: True, 1: False, 2: False, 3: False, 4: False, 5: True})


@pytest.mark.parametrize("service", [CHECKUP, GROUP], ids=["alone", "in_a_group"])
async def test_a_doctor_whose_time_is_held_is_not_free_until_the_hold_is_over(use_cases: CalendarUseCases, service: UUID) -> None:
    await use_cases.holds.hold(UUID(int=9), HoldRequest(service, DOCTOR, NINE + HALF), SOMEONE)
    await check_starts(use_cases, {0: True, 1: False, 2: False})
    use_cases.now += timedelta(minutes=5)
    await check_starts(use_cases, {0: True, 1: True, 2: True})


async def test_a_doctor_may_hold_their_own_time_and_be_a_patient_in_it(use_cases: CalendarUseCases) -> None:
    await use_cases.holds.hold(UUID(int=9), HoldRequest(CHECKUP, DOCTOR, NINE), DOCTOR_AS_PATIENT)
    assert await reasons_against(use_cases, request(0)) == []
    await use_cases.reservations.reserve(UUID(int=1), request(0))
    async with use_cases.store.begin() as tx:
        assert await tx.list_holds_of_owner(DOCTOR) == []


async def test_a_doctor_may_be_the_first_in_their_own_group_and_others_join(use_cases: CalendarUseCases) -> None:
    assert await reasons_against(use_cases, request(0, DOCTOR, GROUP)) == []
    await use_cases.reservations.reserve(UUID(int=1), request(0, DOCTOR, GROUP))
    for number in (2, 3):
        await use_cases.reservations.reserve(UUID(int=number), a_reservation_request(service_id=GROUP, patient_id=UUID(int=0xB00 + number)))
    query = SlotQuery(GROUP, (DOCTOR,), NINE, NINE + HALF)
    assert (await use_cases.slots.list_free(query, None)).items == []
    for number in (1, 2, 3):
        await use_cases.reservations.release(UUID(int=number), 1)
    assert (await use_cases.slots.list_free(query, None)).items[0].remaining == 3


async def test_a_doctor_whose_group_has_begun_to_fill_is_busy_with_it(use_cases: CalendarUseCases) -> None:
    await use_cases.reservations.reserve(UUID(int=1), a_reservation_request(service_id=GROUP, patient_id=SOMEONE.id))
    assert await reasons_against(use_cases, request(0, DOCTOR, GROUP)) == ["patient_busy"]
    with pytest.raises(PatientBusy):
        await use_cases.reservations.reserve(UUID(int=2), request(0, DOCTOR, GROUP))
