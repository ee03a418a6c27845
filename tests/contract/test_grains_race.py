"""200 patients race for overlapping times of unequal length with one doctor: every grain has one winner, and every other request conflicts
with a winner."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.http import Reservation, ReserveTime
from shared.contracts.relayed_refusals import PatientBusy, SlotTaken
from tests.contract.grain_table import list_claimed_grains, open_store
from tests.contract.interleaving import repeat_until_decided
from tests.unit.scheduling.builders import DOCTOR, NINE, NOON, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner

PATIENTS = 200
SERVICES = [
    a_service(
        id=UUID(int=0x50 + number), duration_minutes=minutes, slot_step_minutes=5, buffer_before_minutes=before, buffer_after_minutes=after
    )
    for number, (minutes, before, after) in enumerate([(15, 0, 0), (30, 5, 10), (45, 0, 15), (60, 10, 0)])
]


async def calendar(store: SqlCalendarStore) -> Reservations:
    async with store.begin() as tx:
        await tx.save_doctor_rules(a_doctor(services=[service.id for service in SERVICES]))
        for service in SERVICES:
            await tx.save_service_rules(service)
    rule_cache = RuleCache(store, FakeRuleOwner())
    return Reservations(store, rule_cache, lambda: NOON)


async def run(reservations: Reservations, requests: dict[UUID, ReserveTime]) -> tuple[dict[UUID, Reservation], dict[UUID, Exception]]:
    async def reserve(appointment_id: UUID, request: ReserveTime) -> Reservation:
        return await repeat_until_decided(lambda: reservations.reserve(appointment_id, request))

    results = await asyncio.gather(*(reserve(*request) for request in requests.items()), return_exceptions=True)
    won = {appointment_id: result for appointment_id, result in zip(requests, results, strict=True) if isinstance(result, Reservation)}
    return won, {appointment_id: result for appointment_id, result in zip(requests, results, strict=True) if isinstance(result, Exception)}


def span_of(request: ReserveTime) -> range:
    service = next(ServiceTerms.from_rules(rules) for rules in SERVICES if rules.id == request.service_id)
    return service.doctor_span(int(request.starts_at.timestamp()) // 300)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_grain_has_one_winner(sql_url: str, seed: int) -> None:
    rng = random.Random(seed)
    requests = {
        UUID(int=number): a_reservation_request(
            patient_id=UUID(int=10_000 + number),
            service_id=rng.choice(SERVICES).id,
            starts_at=NINE + timedelta(minutes=5 * rng.randrange(80)),
        )
        for number in range(1, PATIENTS + 1)
    }
    async with open_store(sql_url) as store:
        won, refusals = await run(await calendar(store), requests)
        assert {type(error) for error in refusals.values()} == {SlotTaken}
        grains = Counter(grain for appointment_id in won for grain in span_of(requests[appointment_id]))
        assert set(grains.values()) == {1}
        assert {grain: claim_id for (person, grain), claim_id in (await list_claimed_grains(store)).items() if person == DOCTOR} == {
            grain: appointment_id for appointment_id in won for grain in span_of(requests[appointment_id])
        }
        assert all(set(span_of(requests[appointment_id])) & set(grains) for appointment_id in refusals)
        assert sorted(claim.appointment_id for claim in await store.list_live_claims(PATIENTS, None)) == sorted(won)


async def test_of_racing_bookings_of_one_patient_one_succeeds(sql_url: str) -> None:
    doctors = [a_doctor(id=UUID(int=0xD00 + number), services=[SERVICES[0].id]) for number in range(20)]
    requests = {
        UUID(int=number): a_reservation_request(service_id=SERVICES[0].id, doctor_id=doctor.id)
        for number, doctor in enumerate(doctors, start=1)
    }
    async with open_store(sql_url) as store:
        reservations = await calendar(store)
        async with store.begin() as tx:
            for doctor in doctors:
                await tx.save_doctor_rules(doctor)
        won, refusals = await run(reservations, requests)
        assert len(won) == 1
        assert {type(error) for error in refusals.values()} == {PatientBusy}
        assert len(await list_claimed_grains(store)) == 6


async def test_the_same_request_many_times_at_once_is_granted_once(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        reservations = await calendar(store)
        request = a_reservation_request(service_id=SERVICES[1].id)
        results = await asyncio.gather(*(repeat_until_decided(lambda: reservations.reserve(UUID(int=1), request)) for _ in range(20)))
        assert len(set(map(str, results))) == 1
        assert len(await list_claimed_grains(store)) == 9 + 6
