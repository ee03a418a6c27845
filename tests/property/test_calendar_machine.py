"""Random days of two doctors: whatever people do, and in whatever order, the calendar answers as the ledger does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import ClassVar, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.domain.leaves import Leave, LeaveAction, LeaveDecision
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.repository.tables import CLAIM_GRAINS, METADATA, SEATS
from shared.contracts.grains import grain_of, instant_of
from shared.contracts.http import ServiceTypeRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Refusal
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.property.calendar_use_cases import CalendarUseCases
from tests.property.ledger import Ledger, Spot, Terms, count
from tests.unit.scheduling.builders import COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_reservation_request, a_service

GROUP = Terms(UUID(int=0x52), duration=6, capacity=2)
CAPPED = Terms(UUID(int=0x53), duration=3, daily_cap=2)
FEW = Terms(UUID(int=0x55), duration=3, capacity=2, daily_cap=1)
SERVICES = [
    Terms(UUID(int=0x51), duration=6, before=1, after=2),
    GROUP,
    CAPPED,
    FEW,
    Terms(UUID(int=0x54), duration=3),
]
PEOPLE = [UUID(int=0xA1 + number) for number in range(3)]
QUARTER = 3
V = TypeVar("V")
people, picks = st.sampled_from(PEOPLE), st.integers(0, 99)
doctors = st.sampled_from([DOCTOR, COLLEAGUE])
starts = st.integers(0, 11).map(lambda number: grain_of(NINE) + number * QUARTER)
spots = st.builds(Spot, st.sampled_from([*SERVICES, CAPPED, FEW]), doctors, starts)
requests = st.lists(st.tuples(spots, people), max_size=8)
fates = st.sampled_from(["keep", "cancel", "move"])


def rules_of(terms: Terms) -> ServiceTypeRules:
    minutes = {"duration": terms.duration, "buffer_before": terms.before, "buffer_after": terms.after, "slot_step": QUARTER}
    limits = {"capacity": terms.capacity, "daily_cap": terms.daily_cap}
    return a_service(id=terms.id, **limits, **{f"{name}_minutes": 5 * grains for name, grains in minutes.items()})


some_holds = precondition(lambda machine: bool(machine.ledger.holds))
some_visits = precondition(lambda machine: bool(machine.ledger.visits))
some_leaves = precondition(lambda machine: bool(machine.ledger.leaves))


class Day(RuleBasedStateMachine):
    """One event loop and one clock; every step is done by the calendar and by the ledger."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.ledger, self.count = Ledger(NOON), 0
        self.runner, self.open = asyncio.Runner(), AsyncExitStack()
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.database = await self.open.enter_async_context(Database(self.url))
        async with self.database.write() as connection:
            for table in METADATA.sorted_tables:
                await connection.execute(delete(table))
        known = [a_doctor(id=one, services=[terms.id for terms in SERVICES]) for one in (DOCTOR, COLLEAGUE)]
        self.use_cases = await CalendarUseCases.open(
            SqlCalendarStore(self.database, lambda: self.ledger.now), NOON, known, map(rules_of, SERVICES)
        )

    def teardown(self) -> None:
        self.runner.run(self.open.aclose())
        self.runner.close()

    def new(self) -> UUID:
        self.count += 1
        return UUID(int=1_000 + self.count)

    def result(self, requested: Awaitable[object]) -> str | None:
        """Return the code of the refusal, with its reasons."""

        async def waited() -> None:
            await requested

        try:
            self.runner.run(waited())
        except Refusal as refusal:
            return " ".join([refusal.code, *sorted(reason["code"] for reason in refusal.facts.get("reasons", ()))])
        return None

    def reserve(self, one: UUID, spot: Spot, patient: UUID, held: UUID | None = None) -> None:
        standing = self.ledger.visits.get(one)
        times = {"starts_at": instant_of(spot.start), "revision": standing.revision + 1 if standing else 1}
        request = a_reservation_request(service_id=spot.terms.id, doctor_id=spot.doctor, patient_id=patient, hold_id=held, **times)
        assert self.result(self.use_cases.reservations.reserve(one, request)) == self.ledger.book(one, spot, patient, held)

    @initialize(booked=requests, held=requests)
    def the_day_is_busy_already(self, booked: list[tuple[Spot, UUID]], held: list[tuple[Spot, UUID]]) -> None:
        for spot, patient in booked:
            self.book(spot, patient)
        for spot, owner in held:
            self.hold(spot, owner)

    @rule(spot=spots, patient=people)
    def book(self, spot: Spot, patient: UUID) -> None:
        self.reserve(self.new(), spot, patient)

    @rule(spot=spots, owner=people)
    def hold(self, spot: Spot, owner: UUID) -> None:
        one, request = self.new(), HoldRequest(spot.terms.id, spot.doctor, instant_of(spot.start))
        expected = self.result(self.use_cases.holds.hold(one, request, Caller(owner, Role.PATIENT)))
        assert expected == self.ledger.hold(one, spot, owner)

    @some_holds
    @rule(minutes=st.sampled_from([1, 1, 4, 5]))
    def time_passes(self, minutes: int) -> None:
        self.ledger.now += timedelta(minutes=minutes)
        self.use_cases.now = self.ledger.now

    @some_holds
    @rule(pick=picks, other=people, is_owner=st.sampled_from([True, True, False]))
    def extend(self, pick: int, other: UUID, is_owner: bool) -> None:
        one, held = picked(self.ledger.holds, pick)
        by = held.owner if is_owner else other
        assert self.result(self.use_cases.holds.extend(one, Caller(by, Role.PATIENT))) == self.ledger.extend(one, by)

    @some_holds
    @rule(pick=picks, other=people, is_owner=st.sampled_from([True, True, False]))
    def drop(self, pick: int, other: UUID, is_owner: bool) -> None:
        one, held = picked(self.ledger.holds, pick)
        by = held.owner if is_owner else other
        assert self.result(self.use_cases.holds.drop(one, Caller(by, Role.PATIENT))) == self.ledger.drop(one, by)

    @some_holds
    @rule(pick=picks, other=people, is_owner=st.sampled_from([True, True, False]))
    def book_what_is_held(self, pick: int, other: UUID, is_owner: bool) -> None:
        one, held = picked(self.ledger.holds, pick)
        self.reserve(self.new(), held.spot, held.owner if is_owner else other, one)

    @some_visits
    @rule(pick=picks, patient=people)
    def join(self, pick: int, patient: UUID) -> None:
        _, visit = picked(self.ledger.visits, pick)
        self.reserve(self.new(), visit.spot, patient)

    @some_visits
    @rule(pick=picks, doctor=doctors, start=starts)
    def move(self, pick: int, doctor: UUID, start: int) -> None:
        one, visit = picked(self.ledger.visits, pick)
        self.reserve(one, Spot(visit.spot.terms, doctor, start), visit.patient)

    @some_visits
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        one, visit = picked(self.ledger.visits, pick)
        assert self.result(self.use_cases.reservations.release(one, visit.revision + 1)) is None
        del self.ledger.visits[one]

    @some_visits
    @rule(pick=picks, early=st.integers(-3, 3), length=st.integers(1, 12), data=st.data(), forgets=st.sampled_from([False] * 4 + [True]))
    def take_leave(self, pick: int, early: int, length: int, data: st.DataObject, forgets: bool) -> None:
        _, visit = picked(self.ledger.visits, pick)
        one, doctor = self.new(), visit.spot.doctor
        span = range(visit.spot.start - early, visit.spot.start - early + length)
        outcomes: dict[UUID, Spot | str] = {}
        for item in self.ledger.affected(doctor, span)[forgets:]:
            fate = data.draw(fates)
            there = Spot(self.ledger.visits[item].spot.terms, data.draw(doctors), data.draw(starts))
            outcomes[item] = there if fate == "move" else fate
        decided = tuple(decision(*outcome) for outcome in outcomes.items())
        leave = Leave(one, doctor, instant_of(span.start), instant_of(span.stop), "", doctor, NOON, decided)
        expected = self.result(self.use_cases.leaves.take(leave, Caller(doctor, Role.DOCTOR)))
        assert expected == self.ledger.take_leave(one, doctor, span, outcomes)

    @some_leaves
    @rule(pick=picks)
    def withdraw(self, pick: int) -> None:
        one, (doctor, _) = picked(self.ledger.leaves, pick)
        assert self.result(self.use_cases.leaves.withdraw(doctor, one)) is None
        del self.ledger.leaves[one]

    @invariant()
    def the_tables_say_what_the_ledger_says(self) -> None:
        rows, seats = self.runner.run(self._tables())
        assert Counter((who, grain, one) for who, grain, _, one in rows) == self.ledger.grains()
        taken = {(who, grain, lane) for who, grain, lane, _ in rows}
        assert len(taken) == len(rows)
        assert {(who, grain, 0) for who, grain, _ in taken} <= taken
        assert {one: session for session, one in seats} == self.ledger.seats()
        assert all(count <= GROUP.capacity for count in Counter(session for session, _ in seats).values())

    @invariant()
    def no_day_has_more_than_its_cap(self) -> None:
        kept = [held.spot for held in self.ledger.holds.values() if held.is_active(self.ledger.now)]
        spots = [visit.spot for visit in self.ledger.visits.values()] + kept
        for terms, doctor in ((terms, doctor) for terms in (CAPPED, FEW) for doctor in (DOCTOR, COLLEAGUE)):
            assert count(terms, [spot for spot in spots if spot.doctor == doctor]) <= (terms.daily_cap or 0)

    async def _tables(self) -> tuple[list[tuple[UUID, int, int, UUID]], list[tuple[UUID, UUID]]]:
        async with self.database.read() as connection:
            grains = await connection.execute(select(CLAIM_GRAINS))
            seats = await connection.execute(select(SEATS.c.session_id, SEATS.c.claim_id))
            return [tuple(row) for row in grains], [tuple(row) for row in seats]


def picked(found: dict[UUID, V], pick: int) -> tuple[UUID, V]:
    return list(found.items())[pick % len(found)]


def decision(one: UUID, outcome: Spot | str) -> LeaveDecision:
    if isinstance(outcome, Spot):
        return LeaveDecision(one, LeaveAction.MOVE, outcome.doctor, instant_of(outcome.start))
    return LeaveDecision(one, LeaveAction(outcome))


def test_a_day_goes_as_the_ledger_says(sql_url: str) -> None:
    class Here(Day):
        url = sql_url

    migrate("scheduling_svc", sql_url)
    examples = 5 if sql_url.startswith("mysql") else 25
    run_state_machine_as_test(Here, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None))
