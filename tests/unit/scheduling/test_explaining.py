"""Reasons for starts between two grains, and reasons for buffers next to a visit that takes the time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import Claim, requested_slot
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import BlockKind, TimeBlock
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.slots import SlotSearch
from shared.contracts.grains import grain_of
from shared.contracts.identity import Caller, Role
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar

Minutes = tuple[int, int]
OTHER = UUID(int=0xB)
MINUTE, HOUR, MICROSECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(microseconds=1)
THREE_PAST = NINE + 3 * MINUTE


def a_clinic(**terms: Any) -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), CHECKUP: a_service(**terms)})


async def codes(store: InMemoryCalendar, start: datetime, now: datetime = NOON) -> list[str]:
    slots = SlotSearch(store, RuleCache(store, FakeRuleOwner()), lambda: now)
    explanation = await slots.explain(CHECKUP, DOCTOR, start, Caller(PATIENT, Role.PATIENT))
    return [reason.code for reason in explanation.reasons]


def add_visit(store: InMemoryCalendar, minutes: Minutes, doctor: UUID = DOCTOR, patient: UUID = OTHER, **buffers: int) -> None:
    """Book a visit that starts and ends some minutes after nine, with other buffers than the requested service."""
    service = ServiceTerms.from_rules(a_service(id=UUID(int=0x6), duration_minutes=minutes[1] - minutes[0], **buffers))
    appointment_id = UUID(int=0x100 + len(store.claims))
    request = a_reservation_request(starts_at=NINE + minutes[0] * MINUTE, patient_id=patient)
    store.claims[appointment_id] = Claim(appointment_id, 1, requested_slot(request, service, doctor))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (THREE_PAST, []),
        (THREE_PAST + MICROSECOND, ["in_the_past"]),
        (NINE + 4 * MINUTE, ["in_the_past"]),
        (NINE, []),
        (THREE_PAST - timedelta(days=90), []),
        (THREE_PAST - timedelta(days=90) - MICROSECOND, ["beyond_horizon"]),
    ],
)
async def test_between_two_grains_the_past_and_the_horizon_are_exact(now: datetime, expected: list[str]) -> None:
    assert await codes(a_clinic(), THREE_PAST, now) == [*expected, "off_grid"]


async def test_between_two_grains_notice_is_exact() -> None:
    store = a_clinic(min_notice_minutes=60)
    assert await codes(store, THREE_PAST, THREE_PAST - HOUR) == ["off_grid"]
    assert await codes(store, THREE_PAST, THREE_PAST - HOUR + MICROSECOND) == ["too_soon", "off_grid"]
    assert await codes(store, THREE_PAST, THREE_PAST) == ["too_soon", "off_grid"]
    assert await codes(store, THREE_PAST, THREE_PAST + MICROSECOND) == ["in_the_past", "off_grid"]


@pytest.mark.parametrize(
    ("minutes", "expected"), [((-30, 0), []), ((-25, 5), ["taken"]), ((30, 60), ["taken"]), ((35, 60), []), ((5, 10), ["taken"])]
)
async def test_between_two_grains_a_visit_conflicts_with_every_grain_that_it_touches(minutes: Minutes, expected: list[str]) -> None:
    store = a_clinic()
    add_visit(store, minutes)
    assert await codes(store, THREE_PAST) == ["off_grid", *expected]


@pytest.mark.parametrize(
    ("minutes", "expected"), [((-60, -10), []), ((-60, -5), ["buffer"]), ((40, 60), ["buffer"]), ((45, 60), []), ((30, 60), ["taken"])]
)
async def test_between_two_grains_the_buffers_move_with_the_visit(minutes: Minutes, expected: list[str]) -> None:
    store = a_clinic(buffer_before_minutes=10, buffer_after_minutes=10)
    add_visit(store, minutes)
    assert await codes(store, THREE_PAST) == ["off_grid", *expected]


@pytest.mark.parametrize(("minutes", "expected"), [((-30, 0), []), ((30, 60), ["patient_busy"]), ((35, 60), [])])
async def test_between_two_grains_the_busy_time_of_the_patient_is_exact(minutes: Minutes, expected: list[str]) -> None:
    store = a_clinic()
    add_visit(store, minutes, COLLEAGUE, PATIENT)
    assert await codes(store, THREE_PAST) == ["off_grid", *expected]


@pytest.mark.parametrize(("after", "expected"), [(30, True), (35, False)])
async def test_between_two_grains_holds_and_leaves_are_exact(after: int, expected: bool) -> None:
    begins = grain_of(NINE + after * MINUTE)
    held, away, claim_id = a_clinic(), a_clinic(), UUID(int=1)
    held.holds[claim_id] = Hold.of(claim_id, OTHER, ServiceTerms.from_rules(a_service()), DOCTOR, begins, NOON)
    away.blocks[claim_id] = TimeBlock(claim_id, BlockKind.LEAVE, DOCTOR, range(begins, begins + 12))
    assert await codes(held, THREE_PAST) == ["off_grid", *["held"] * expected]
    assert await codes(away, THREE_PAST) == ["off_grid", *["on_leave"] * expected]


@pytest.mark.parametrize(
    ("other", "buffers", "expected"),
    [
        ((35, 60), {"buffer_before_minutes": 10}, ["taken", "buffer"]),
        ((35, 60), {"buffer_before_minutes": 5}, ["taken"]),
        ((-60, -5), {"buffer_after_minutes": 10}, ["taken", "buffer"]),
        ((-60, -5), {"buffer_after_minutes": 5}, ["taken"]),
        ((35, 60), {"buffer_after_minutes": 10}, ["taken"]),
    ],
)
async def test_a_buffer_is_a_reason_besides_the_visit_that_takes_the_time(
    other: Minutes, buffers: dict[str, Any], expected: list[str]
) -> None:
    store = a_clinic()
    add_visit(store, (0, 30))
    add_visit(store, other, **buffers)
    assert await codes(store, NINE) == expected


@pytest.mark.parametrize(
    ("other", "terms", "expected"),
    [
        ((35, 60), {"buffer_after_minutes": 10}, ["taken", "buffer"]),
        ((40, 60), {"buffer_after_minutes": 10}, ["taken"]),
        ((-60, -5), {"buffer_before_minutes": 10}, ["taken", "buffer"]),
        ((-60, -10), {"buffer_before_minutes": 10}, ["taken"]),
    ],
)
async def test_the_buffer_of_the_requested_service_is_such_a_reason_too(other: Minutes, terms: dict[str, Any], expected: list[str]) -> None:
    store = a_clinic(**terms)
    add_visit(store, (0, 30))
    add_visit(store, other)
    assert await codes(store, NINE) == expected


async def test_the_buffers_of_the_visit_that_takes_the_time_are_no_further_reason() -> None:
    store = a_clinic(buffer_before_minutes=15, buffer_after_minutes=15)
    add_visit(store, (15, 45), buffer_before_minutes=30, buffer_after_minutes=30)
    assert await codes(store, NINE) == ["taken"]
    assert await codes(store, NINE + HOUR) == ["buffer"]
