"""Racing holds do not exceed the maximum of their owner or the cap of a day, on every SQL back end."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from uuid import UUID

from scheduling_svc.domain.holds import MAX_HOLDS, HoldRequest
from scheduling_svc.domain.refusals import TooManyHolds
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NotBookable
from tests.contract.grain_table import list_claimed_grains, open_store
from tests.contract.test_lanes import QUARTER, Action, book, open_use_cases, run_together
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_service

HALF = timedelta(minutes=30)


def hold(use_cases: CalendarUseCases, number: int, *, service: UUID = CHECKUP, after: timedelta, owner: UUID = PATIENT) -> Action:
    return partial(use_cases.holds.hold, UUID(int=number), HoldRequest(service, DOCTOR, NINE + after), Caller(owner, Role.PATIENT))


async def test_of_an_owners_racing_holds_for_many_services_three_succeed(sql_url: str) -> None:
    services = [UUID(int=0x500 + number) for number in range(12)]
    async with open_store(sql_url) as store:
        use_cases = await CalendarUseCases.open(store, NOON, [a_doctor(services=services)], [a_service(id=service) for service in services])
        errors = await run_together(
            hold(use_cases, number, service=service, after=number * HALF) for number, service in enumerate(services, start=1)
        )
        assert Counter(map(type, errors)) == {TooManyHolds: len(services) - MAX_HOLDS}
        async with store.begin() as tx:
            holds_of_owner = await tx.list_holds_of_owner(PATIENT)
        assert len(holds_of_owner) == MAX_HOLDS
        assert await list_claimed_grains(store) == {(DOCTOR, grain): item.id for item in holds_of_owner for grain in item.span}


async def test_holds_and_bookings_that_race_for_a_capped_day_do_not_exceed_the_cap(sql_url: str) -> None:
    async with open_store(sql_url) as store:
        use_cases = await open_use_cases(store, daily_cap=5)
        holds = [hold(use_cases, 1 + number, after=2 * number * QUARTER, owner=UUID(int=500 + number)) for number in range(15)]
        bookings = [book(use_cases, 100 + number, quarters=2 * number + 1) for number in range(15)]
        errors = await run_together(action for pair in zip(holds, bookings, strict=True) for action in pair)
        expected = {reason["code"] for error in errors if isinstance(error, NotBookable) for reason in error.facts["reasons"]}
        claim_ids = {claim_id for (person, _), claim_id in (await list_claimed_grains(store)).items() if person == DOCTOR}
        assert (len(claim_ids), len(errors), expected) == (5, 25, {"daily_cap_reached"})
