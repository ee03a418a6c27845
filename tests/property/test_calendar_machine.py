"""Random requests to the calendars of two doctors, in any order: the calendar answers as a simple model does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import replace
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
from shared.contracts.appointments import OverrideCode
from shared.contracts.events import AppointmentAmended
from shared.contracts.grains import grain_of, instant_of
from shared.contracts.http import Actor, ServiceTypeRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Refusal
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.property.calendar_use_cases import CalendarUseCases
from tests.property.ledger import CalendarModel, ModelService, ModelSlot, count
from tests.unit.scheduling.builders import COLLEAGUE, DOCTOR, NINE, NOON, a_doctor, a_reservation_request, a_service

GROUP = ModelService(UUID(int=0x52), duration=6, capacity=2)
CAPPED = ModelService(UUID(int=0x53), duration=3, daily_cap=2)
CAPPED_GROUP = ModelService(UUID(int=0x55), duration=3, capacity=2, daily_cap=1)
SERVICES = [
    ModelService(UUID(int=0x51), duration=6, before=1, after=2),
    GROUP,
    CAPPED,
    CAPPED_GROUP,
    ModelService(UUID(int=0x54), duration=3),
]
PEOPLE = [UUID(int=0xA1 + number) for number in range(3)]
GRAINS_PER_QUARTER = 3
STAFF = Actor(id=UUID(int=0xEC), role=Role.RECEPTION)
V = TypeVar("V")
people, picks = st.sampled_from(PEOPLE), st.integers(0, 99)
doctors = st.sampled_from([DOCTOR, COLLEAGUE])
starts = st.integers(0, 11).map(lambda number: grain_of(NINE) + number * GRAINS_PER_QUARTER)
slots = st.builds(ModelSlot, st.sampled_from([*SERVICES, CAPPED, CAPPED_GROUP]), doctors, starts)
requests = st.lists(st.tuples(slots, people), max_size=8)
actions = st.sampled_from(["keep", "cancel", "move"])


def rules_of(terms: ModelService) -> ServiceTypeRules:
    minutes = {"duration": terms.duration, "buffer_before": terms.before, "buffer_after": terms.after, "slot_step": GRAINS_PER_QUARTER}
    limits = {"capacity": terms.capacity, "daily_cap": terms.daily_cap}
    return a_service(id=terms.id, **limits, **{f"{name}_minutes": 5 * grains for name, grains in minutes.items()})


if_any_holds = precondition(lambda machine: bool(machine.model.holds))
if_any_visits = precondition(lambda machine: bool(machine.model.visits))
if_any_leaves = precondition(lambda machine: bool(machine.model.leaves))


class CalendarMachine(RuleBasedStateMachine):
    """Sends every request to the calendar and to the model, and compares the answers. There is one event loop and one clock."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.model, self.count = CalendarModel(NOON), 0
        self.runner, self.open = asyncio.Runner(), AsyncExitStack()
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.database = await self.open.enter_async_context(Database(self.url))
        async with self.database.write() as connection:
            for table in METADATA.sorted_tables:
                await connection.execute(delete(table))
        known = [a_doctor(id=doctor_id, services=[terms.id for terms in SERVICES]) for doctor_id in (DOCTOR, COLLEAGUE)]
        self.use_cases = await CalendarUseCases.open(
            SqlCalendarStore(self.database, lambda: self.model.now), NOON, known, map(rules_of, SERVICES)
        )

    def teardown(self) -> None:
        self.runner.run(self.open.aclose())
        self.runner.close()

    def new(self) -> UUID:
        self.count += 1
        return UUID(int=1_000 + self.count)

    def result(self, requested: Awaitable[object]) -> str | None:
        """Return the code of the refusal, with its reasons."""

        async def wait() -> None:
            await requested

        try:
            self.runner.run(wait())
        except Refusal as refusal:
            return " ".join([refusal.code, *sorted(reason["code"] for reason in refusal.facts.get("reasons", ()))])
        return None

    def reserve(self, claim_id: UUID, slot: ModelSlot, patient: UUID, held: UUID | None = None) -> None:
        current = self.model.visits.get(claim_id)
        times = {"starts_at": instant_of(slot.start), "revision": current.revision + 1 if current else 1}
        request = a_reservation_request(service_id=slot.terms.id, doctor_id=slot.doctor, patient_id=patient, hold_id=held, **times)
        assert self.result(self.use_cases.reservations.reserve(claim_id, request)) == self.model.book(claim_id, slot, patient, held)

    @initialize(booked=requests, held=requests)
    def start_with_busy_times(self, booked: list[tuple[ModelSlot, UUID]], held: list[tuple[ModelSlot, UUID]]) -> None:
        for slot, patient in booked:
            self.book(slot, patient)
        for slot, owner in held:
            self.hold(slot, owner)

    @rule(slot=slots, patient=people)
    def book(self, slot: ModelSlot, patient: UUID) -> None:
        self.reserve(self.new(), slot, patient)

    @rule(slot=slots, patient=people)
    def overbook(self, slot: ModelSlot, patient: UUID) -> None:
        """Staff book a time whether or not it is taken or held."""
        claim_id, times = self.new(), {"starts_at": instant_of(slot.start), "override": OverrideCode.OVERBOOK}
        request = a_reservation_request(service_id=slot.terms.id, doctor_id=slot.doctor, patient_id=patient, by=STAFF, **times)
        assert self.result(self.use_cases.reservations.reserve(claim_id, request)) == self.model.overbook(claim_id, slot, patient, STAFF.id)

    @if_any_visits
    @rule(pick=picks, patient=people)
    def overbook_a_visit(self, pick: int, patient: UUID) -> None:
        _, visit = pick_item(self.model.visits, pick)
        self.overbook(visit.slot, patient)

    @if_any_holds
    @rule(pick=picks, patient=people)
    def overbook_a_hold(self, pick: int, patient: UUID) -> None:
        _, held = pick_item(self.model.holds, pick)
        self.overbook(held.slot, patient)

    @rule(slot=slots, owner=people)
    def hold(self, slot: ModelSlot, owner: UUID) -> None:
        claim_id, request = self.new(), HoldRequest(slot.terms.id, slot.doctor, instant_of(slot.start))
        expected = self.result(self.use_cases.holds.hold(claim_id, request, Caller(owner, Role.PATIENT)))
        assert expected == self.model.hold(claim_id, slot, owner)

    @if_any_holds
    @rule(minutes=st.sampled_from([1, 1, 4, 5]))
    def advance_clock(self, minutes: int) -> None:
        self.model.now += timedelta(minutes=minutes)
        self.use_cases.now = self.model.now

    @if_any_holds
    @rule(pick=picks, other=people, is_owner=st.sampled_from([True, True, False]))
    def extend(self, pick: int, other: UUID, is_owner: bool) -> None:
        claim_id, held = pick_item(self.model.holds, pick)
        by = held.owner if is_owner else other
        assert self.result(self.use_cases.holds.extend(claim_id, Caller(by, Role.PATIENT))) == self.model.extend(claim_id, by)

    @if_any_holds
    @rule(pick=picks, other=people, is_owner=st.sampled_from([True, True, False]))
    def drop(self, pick: int, other: UUID, is_owner: bool) -> None:
        claim_id, held = pick_item(self.model.holds, pick)
        by = held.owner if is_owner else other
        assert self.result(self.use_cases.holds.drop(claim_id, Caller(by, Role.PATIENT))) == self.model.drop(claim_id, by)

    @if_any_holds
    @rule(pick=picks, other=people, is_owner=st.sampled_from([True, True, False]))
    def book_what_is_held(self, pick: int, other: UUID, is_owner: bool) -> None:
        claim_id, held = pick_item(self.model.holds, pick)
        self.reserve(self.new(), held.slot, held.owner if is_owner else other, claim_id)

    @if_any_visits
    @rule(pick=picks, patient=people)
    def join(self, pick: int, patient: UUID) -> None:
        _, visit = pick_item(self.model.visits, pick)
        self.reserve(self.new(), visit.slot, patient)

    @if_any_visits
    @rule(pick=picks, doctor=doctors, start=starts)
    def move(self, pick: int, doctor: UUID, start: int) -> None:
        claim_id, visit = pick_item(self.model.visits, pick)
        self.reserve(claim_id, ModelSlot(visit.slot.terms, doctor, start), visit.patient)

    @if_any_visits
    @rule(pick=picks, patient=people)
    def merge(self, pick: int, patient: UUID) -> None:
        """The patient of a visit was merged into another one, who may have another visit at the same time."""
        claim_id, visit = pick_item(self.model.visits, pick)
        self.count += 1
        event = an_amended_visit(claim_id, patient, version=self.count)
        assert self.result(self.use_cases.reservations.follow_appointment(event)) is None
        self.model.visits[claim_id] = replace(visit, patient=patient)

    @if_any_visits
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        claim_id, visit = pick_item(self.model.visits, pick)
        assert self.result(self.use_cases.reservations.release(claim_id, visit.revision + 1)) is None
        del self.model.visits[claim_id]

    @if_any_visits
    @rule(
        pick=picks, early=st.integers(-3, 3), length=st.integers(1, 12), data=st.data(), omits_first=st.sampled_from([False] * 4 + [True])
    )
    def take_leave(self, pick: int, early: int, length: int, data: st.DataObject, omits_first: bool) -> None:
        _, visit = pick_item(self.model.visits, pick)
        claim_id, doctor = self.new(), visit.slot.doctor
        span = range(visit.slot.start - early, visit.slot.start - early + length)
        outcomes: dict[UUID, ModelSlot | str] = {}
        for item in self.model.affected(doctor, span)[omits_first:]:
            action = data.draw(actions)
            target = ModelSlot(self.model.visits[item].slot.terms, data.draw(doctors), data.draw(starts))
            outcomes[item] = target if action == "move" else action
        decided = tuple(decision(*outcome) for outcome in outcomes.items())
        leave = Leave(claim_id, doctor, instant_of(span.start), instant_of(span.stop), "", doctor, NOON, decided)
        expected = self.result(self.use_cases.leaves.take(leave, Caller(doctor, Role.DOCTOR)))
        assert expected == self.model.take_leave(claim_id, doctor, span, outcomes)

    @if_any_leaves
    @rule(pick=picks)
    def withdraw(self, pick: int) -> None:
        claim_id, (doctor, _) = pick_item(self.model.leaves, pick)
        assert self.result(self.use_cases.leaves.withdraw(doctor, claim_id, by=Caller(doctor, Role.DOCTOR))) is None
        del self.model.leaves[claim_id]

    @invariant()
    def tables_agree_with_model(self) -> None:
        rows, seats = self.runner.run(self._tables())
        assert Counter((who, grain, claim_id) for who, grain, _, claim_id in rows) == self.model.grains()
        taken = {(who, grain, lane) for who, grain, lane, _ in rows}
        assert len(taken) == len(rows)
        assert {(who, grain, 0) for who, grain, _ in taken} <= taken
        assert {claim_id: session for session, claim_id in seats} == self.model.seats()
        assert all(count <= GROUP.capacity for count in Counter(session for session, _ in seats).values())

    @invariant()
    def no_day_exceeds_its_cap(self) -> None:
        kept = [held.slot for held in self.model.holds.values() if held.is_active(self.model.now)]
        slots = [visit.slot for visit in self.model.visits.values()] + kept
        for terms, doctor in ((terms, doctor) for terms in (CAPPED, CAPPED_GROUP) for doctor in (DOCTOR, COLLEAGUE)):
            assert count(terms, [slot for slot in slots if slot.doctor == doctor]) <= (terms.daily_cap or 0)

    async def _tables(self) -> tuple[list[tuple[UUID, int, int, UUID]], list[tuple[UUID, UUID]]]:
        async with self.database.read() as connection:
            grains = await connection.execute(select(CLAIM_GRAINS))
            seats = await connection.execute(select(SEATS.c.session_id, SEATS.c.claim_id))
            return [tuple(row) for row in grains], [tuple(row) for row in seats]


def an_amended_visit(claim_id: UUID, patient: UUID, version: int) -> AppointmentAmended:
    times = {"occurred_at": NOON, "starts_at": NINE, "ends_at": NINE, "time_zone": "Europe/Berlin"}
    fields = {"version": version, "sequence": 0, "status": "booked", "changed": ["patient"], **times}
    ids = {"id": claim_id, "appointment_id": claim_id, "service_id": GROUP.id, "doctor_id": DOCTOR, "patient_id": patient}
    return AppointmentAmended(**ids, **fields, actor=Actor(id=DOCTOR, role=Role.DOCTOR))


def pick_item(items: dict[UUID, V], pick: int) -> tuple[UUID, V]:
    return list(items.items())[pick % len(items)]


def decision(claim_id: UUID, outcome: ModelSlot | str) -> LeaveDecision:
    if isinstance(outcome, ModelSlot):
        return LeaveDecision(claim_id, LeaveAction.MOVE, outcome.doctor, instant_of(outcome.start))
    return LeaveDecision(claim_id, LeaveAction(outcome))


def test_the_calendar_behaves_as_the_model(sql_url: str) -> None:
    class MachineOnServer(CalendarMachine):
        url = sql_url

    migrate("scheduling_svc", sql_url)
    examples = 5 if sql_url.startswith("mysql") else 25
    run_state_machine_as_test(MachineOnServer, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None))
