"""Overrides of staff: only the named rule is lifted, and a held time stays with its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest

from scheduling_svc.domain import availability
from scheduling_svc.domain.availability import Reason
from scheduling_svc.domain.busy_times import BookedTime, BusyTimes, GroupOccupancy
from scheduling_svc.domain.claims import Claim, GroupSession, requested_slot
from scheduling_svc.domain.evaluation import SlotEvaluation, SlotRequest
from scheduling_svc.domain.holds import Hold, HoldRequest
from scheduling_svc.domain.leaves import BlockKind, TimeBlock
from scheduling_svc.domain.terms import DoctorTerms, ServiceOffer, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.appointments import OverrideCode
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor, Reservation
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NotBookable, PatientBusy, SlotHeld, SlotTaken
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar, NoPatients

RECEPTIONIST = Caller(UUID(int=0xEC), Role.RECEPTION)
OTHER, THIRD = UUID(int=0xB), UUID(int=0xC)
FIRST, SECOND = UUID(int=0xF1), UUID(int=0xF2)
NINE_GRAIN = grain_of(NINE)
Code = OverrideCode


def a_visit(minutes: int = 0, buffer: int = 0) -> BookedTime:
    """Return a visit of half an hour that begins some minutes after nine."""
    start = NINE_GRAIN + minutes // 5
    return BookedTime(start, start + 6, start, start + 6 + buffer // 5)


def a_group(booked: int, held: int) -> GroupOccupancy:
    session = GroupSession.at(ServiceTerms.from_rules(a_service(capacity=2)), DOCTOR, NINE_GRAIN)
    return GroupOccupancy.empty(session)._replace(booked_seats=booked, held_seats=held)


HOLD_OF_OTHER = Hold.of(UUID(int=0xA1), OTHER, ServiceTerms.from_rules(a_service()), DOCTOR, NINE_GRAIN, NOON)
# A situation in which just one reason stands against a booking at nine, or at the start that it names.
SITUATIONS: dict[Reason, dict[str, Any]] = {
    availability.SERVICE_INACTIVE: {"service": a_service(active=False)},
    availability.DOCTOR_INACTIVE: {"doctor": a_doctor(active=False)},
    availability.DOCTOR_NOT_ACCEPTING: {"doctor": a_doctor(accepting_patients=False), "is_staff": False},
    availability.IN_THE_PAST: {"now": NINE + timedelta(minutes=1)},
    availability.TOO_SOON: {"service": a_service(min_notice_minutes=60), "now": NINE - timedelta(minutes=30)},
    availability.BEYOND_HORIZON: {"service": a_service(horizon_days=3)},
    availability.OUTSIDE_HOURS: {"start": NINE - timedelta(hours=1)},
    availability.OFF_GRID: {"start": NINE + timedelta(minutes=5)},
    availability.ON_LEAVE: {"busy": BusyTimes(absences=[(NINE_GRAIN, NINE_GRAIN + 12)])},
    availability.TAKEN: {"busy": BusyTimes(booked=[a_visit()])},
    availability.FULL_GROUP: {
        "service": a_service(capacity=2),
        "busy": BusyTimes(booked=[a_group(2, 0).time], sessions=[a_group(2, 0)]),
    },
    availability.HELD: {"busy": BusyTimes(holds=[HOLD_OF_OTHER])},
    availability.HELD_GROUP: {
        "service": a_service(capacity=2),
        "busy": BusyTimes(booked=[a_group(1, 1).time], sessions=[a_group(1, 1)]),
    },
    availability.BUFFER: {"busy": BusyTimes(booked=[a_visit(-30, buffer=5)])},
    availability.DAILY_CAP_REACHED: {"service": a_service(daily_cap=1), "busy": BusyTimes(counted_starts=[NINE_GRAIN + 12])},
    availability.WEEKLY_CAP_REACHED: {"service": a_service(weekly_cap=1), "busy": BusyTimes(counted_starts=[NINE_GRAIN + 12])},
    availability.PATIENT_BUSY: {"patient": BusyTimes(booked=[a_visit()])},
}
EXPECTED: dict[OverrideCode, set[Reason]] = {
    Code.OVERBOOK: {availability.TAKEN, availability.HELD, availability.BUFFER},
    Code.OFF_HOURS: {availability.OUTSIDE_HOURS},
    Code.SHORT_NOTICE: {availability.TOO_SOON},
    Code.BEYOND_HORIZON: {availability.BEYOND_HORIZON},
    Code.CAP: {availability.DAILY_CAP_REACHED, availability.WEEKLY_CAP_REACHED},
    Code.ON_LEAVE: {availability.ON_LEAVE},
}


def evaluate(
    override: OverrideCode | None,
    *,
    start: datetime = NINE,
    now: datetime = NOON,
    service: Any = None,
    doctor: Any = None,
    is_staff: bool = True,
    busy: BusyTimes | None = None,
    patient: BusyTimes | None = None,
) -> SlotEvaluation:
    offer = ServiceOffer(ServiceTerms.from_rules(service or a_service()), [DoctorTerms.from_rules(doctor or a_doctor())])
    viewer = Viewer(now, RECEPTIONIST.id, is_staff, PATIENT)
    loaded = {DOCTOR: busy or BusyTimes(), PATIENT: patient or BusyTimes()}
    return SlotEvaluation.of(SlotRequest(offer, start, viewer, override), loaded)


def test_there_is_a_situation_for_every_rule() -> None:
    assert list(SITUATIONS) == list(availability.RULES)
    assert all(evaluate(None, **situation).reasons == [[reason]] for reason, situation in SITUATIONS.items())


@pytest.mark.parametrize("reason", [pytest.param(reason, id=reason.rule.__name__) for reason in availability.RULES])
@pytest.mark.parametrize("code", list(OverrideCode))
def test_an_override_lifts_its_own_rule_and_no_other(code: OverrideCode, reason: Reason) -> None:
    evaluation = evaluate(code, **SITUATIONS[reason])
    is_lifted = reason in EXPECTED[code]
    assert evaluation.reasons == [[] if is_lifted else [reason]]
    assert evaluation.needed_override(DOCTOR) == (code if is_lifted else None)
    assert (evaluation.best_doctor() is not None) == is_lifted


@pytest.mark.parametrize("code", list(OverrideCode))
def test_a_start_between_two_grains_is_refused_with_every_override(code: OverrideCode) -> None:
    assert [reason.code for reason in evaluate(code, start=NINE - timedelta(minutes=58)).reasons[0]][-1] == "off_grid"


def test_outside_the_hours_there_is_no_grid_of_starts() -> None:
    assert evaluate(Code.OFF_HOURS, start=NINE - timedelta(minutes=55)).reasons == [[]]


def test_the_remaining_rules_decide_about_the_refusal() -> None:
    busy = BusyTimes(booked=[a_visit()], absences=[(NINE_GRAIN, NINE_GRAIN + 12)])
    assert isinstance(evaluate(Code.ON_LEAVE, busy=busy).refusal([]), SlotTaken)
    assert isinstance(evaluate(Code.OVERBOOK, busy=busy).refusal([]), NotBookable)


# Reservations


@pytest.fixture
def store() -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), COLLEAGUE: a_doctor(id=COLLEAGUE), CHECKUP: a_service()})


async def reserve(
    store: InMemoryCalendar, appointment_id: UUID, override: OverrideCode | None = None, *, now: datetime = NOON, **changes: Any
) -> Reservation:
    by = Actor.from_caller(RECEPTIONIST) if override else changes.pop("by", None)
    request = a_reservation_request(override=override, **changes, **({"by": by} if by else {}))
    return await Reservations(store, RuleCache(store, FakeRuleOwner()), lambda: now).reserve(appointment_id, request)


def hold_use_cases(store: InMemoryCalendar) -> Holds:
    return Holds(store, RuleCache(store, FakeRuleOwner()), lambda: NOON, NoPatients())


async def test_an_overbooked_reservation_names_the_rule_that_was_lifted(store: InMemoryCalendar) -> None:
    await reserve(store, FIRST)
    overbooked = await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)
    assert (overbooked.live, overbooked.override) == (True, Code.OVERBOOK)


async def test_an_override_that_nothing_needs_leaves_no_mark(store: InMemoryCalendar) -> None:
    assert (await reserve(store, FIRST, Code.OVERBOOK)).override is None
    with pytest.raises(SlotTaken):
        await reserve(store, SECOND, patient_id=OTHER)


async def test_a_patient_is_never_in_two_visits_at_once(store: InMemoryCalendar) -> None:
    await reserve(store, FIRST)
    with pytest.raises(PatientBusy):
        await reserve(store, SECOND, Code.OVERBOOK)


async def test_an_overbooked_time_stays_taken_for_everybody_else(store: InMemoryCalendar) -> None:
    await reserve(store, FIRST)
    await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)
    with pytest.raises(SlotTaken):
        await reserve(store, UUID(int=0xF3), patient_id=THIRD)


async def test_a_request_for_any_doctor_lifts_a_rule_only_if_no_doctor_is_free(store: InMemoryCalendar) -> None:
    await reserve(store, FIRST)
    second = await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER, doctor_id=None)
    assert (second.doctor_id, second.override) == (COLLEAGUE, None)
    third = await reserve(store, UUID(int=0xF3), Code.OVERBOOK, patient_id=THIRD, doctor_id=None)
    assert third.override is Code.OVERBOOK


async def test_a_new_request_for_the_same_time_keeps_the_mark(store: InMemoryCalendar) -> None:
    await reserve(store, FIRST)
    await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)
    assert (await reserve(store, SECOND, patient_id=OTHER, revision=2)).override is Code.OVERBOOK


async def test_a_move_to_another_time_needs_an_override_again(store: InMemoryCalendar) -> None:
    await reserve(store, FIRST)
    await reserve(store, UUID(int=0xF3), patient_id=THIRD, starts_at=NINE + timedelta(minutes=30))
    await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)
    with pytest.raises(SlotTaken):
        await reserve(store, SECOND, patient_id=OTHER, revision=2, starts_at=NINE + timedelta(minutes=30))
    moved = await reserve(store, SECOND, patient_id=OTHER, revision=3, starts_at=NINE + timedelta(minutes=60))
    assert moved.override is None


async def test_a_held_time_can_be_overbooked_and_its_owner_can_still_book_it(store: InMemoryCalendar) -> None:
    hold = await hold_use_cases(store).hold(UUID(int=0xA1), HoldRequest(CHECKUP, DOCTOR, NINE), Caller(PATIENT, Role.PATIENT))
    with pytest.raises(SlotHeld):
        await reserve(store, SECOND, patient_id=OTHER)
    assert (await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)).override is Code.OVERBOOK
    assert store.holds[hold.id].live
    booked = await reserve(store, FIRST, hold_id=hold.id)
    assert (booked.live, booked.override, store.holds[hold.id].live) == (True, None, False)


async def test_the_owner_can_hold_an_overbooked_time_again(store: InMemoryCalendar) -> None:
    owner = Caller(PATIENT, Role.PATIENT)
    await hold_use_cases(store).hold(UUID(int=0xA1), HoldRequest(CHECKUP, DOCTOR, NINE), owner)
    await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)
    again = await hold_use_cases(store).hold(UUID(int=0xA2), HoldRequest(CHECKUP, DOCTOR, NINE), owner)
    assert (again.starts_at, [hold.id for hold in store.holds.values() if hold.live]) == (NINE, [again.id])


async def test_a_hold_whose_time_is_another_one_by_now_does_not_open_a_taken_time(store: InMemoryCalendar) -> None:
    hold = await hold_use_cases(store).hold(UUID(int=0xA1), HoldRequest(CHECKUP, DOCTOR, NINE), Caller(PATIENT, Role.PATIENT))
    store.holds[hold.id] = replace(hold, visit=range(hold.visit.start, hold.visit.start + 3))
    await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)
    with pytest.raises(SlotTaken):
        await reserve(store, FIRST, hold_id=hold.id)


class CalendarWithLateLeave(InMemoryCalendar):
    """A calendar in which another transaction takes a leave just before a claim is saved. The leave stays when that one is undone."""

    taken: ClassVar[dict[UUID, TimeBlock]] = {
        UUID(int=0x1E): TimeBlock(UUID(int=0x1E), BlockKind.LEAVE, DOCTOR, range(NINE_GRAIN, NINE_GRAIN + 6))
    }

    async def save_claim(self, claim: Claim, previous: Claim | None, *, capacity: int = 1, from_hold: Hold | None = None) -> None:
        await super().save_claim(claim, previous, capacity=capacity, from_hold=from_hold)
        self.blocks = dict(self.taken)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryCalendar]:
        try:
            async with super().begin() as tx:
                yield tx
        finally:
            self.blocks = dict(self.taken)


async def test_a_leave_that_comes_meanwhile_is_not_overlooked() -> None:
    """A claim over others has a lane of its own, so that no key reports what other transactions wrote after the first read."""
    store = CalendarWithLateLeave({DOCTOR: a_doctor(), CHECKUP: a_service()})
    store.claims[FIRST] = Claim(FIRST, 1, requested_slot(a_reservation_request(), ServiceTerms.from_rules(a_service()), DOCTOR))
    with pytest.raises(NotBookable) as refused:
        await reserve(store, SECOND, Code.OVERBOOK, patient_id=OTHER)
    assert [reason["code"] for reason in refused.value.facts["reasons"]] == ["on_leave"]
    assert SECOND not in store.claims


async def test_the_cap_of_a_group_is_lifted_like_that_of_other_services(store: InMemoryCalendar) -> None:
    store.known[CHECKUP] = a_service(capacity=2, daily_cap=1)
    await reserve(store, FIRST)
    later = NINE + timedelta(minutes=30)
    with pytest.raises(NotBookable):
        await reserve(store, SECOND, patient_id=OTHER, starts_at=later)
    assert (await reserve(store, SECOND, Code.CAP, patient_id=OTHER, starts_at=later)).override is Code.CAP


async def test_a_full_group_is_never_overbooked(store: InMemoryCalendar) -> None:
    store.known[CHECKUP] = a_service(capacity=2)
    await reserve(store, FIRST)
    await reserve(store, SECOND, patient_id=OTHER)
    with pytest.raises(SlotTaken):
        await reserve(store, UUID(int=0xF3), Code.OVERBOOK, patient_id=THIRD)
