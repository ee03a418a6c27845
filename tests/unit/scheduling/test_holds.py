"""Wishes to hold a time that come again, because their first answer was lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from scheduling_svc.domain.holds import HOLD_DURATION, HoldRequest
from scheduling_svc.domain.refusals import NoSuchHold
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.identity import Caller, Role
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar

ONE, WISH = UUID(int=0xF1), HoldRequest(CHECKUP, DOCTOR, NINE)
ME, SOMEONE = Caller(PATIENT, Role.PATIENT), Caller(UUID(int=0xB), Role.PATIENT)


@pytest.fixture
def memory() -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), CHECKUP: a_service()})


def holds(memory: InMemoryCalendar, now: datetime = NOON) -> Holds:
    return Holds(memory, RuleCache(memory, FakeRuleOwner()), lambda: now)


async def test_a_repeated_wish_gets_the_hold_that_stands_and_no_more_time(memory: InMemoryCalendar) -> None:
    first = await holds(memory).hold(ONE, WISH, ME)
    assert await holds(memory, NOON + timedelta(minutes=1)).hold(ONE, WISH, ME) == first
    assert memory.holds == {ONE: first}


@pytest.mark.parametrize("later", [HOLD_DURATION, NINE - NOON])
async def test_a_repeated_wish_is_not_judged_again_when_it_comes_too_late(memory: InMemoryCalendar, later: timedelta) -> None:
    first = await holds(memory).hold(ONE, WISH, ME)
    assert await holds(memory, NOON + later).hold(ONE, WISH, ME) == first


async def test_a_repeated_wish_does_not_bring_back_what_was_given_back(memory: InMemoryCalendar) -> None:
    await holds(memory).hold(ONE, WISH, ME)
    await holds(memory).drop(ONE, ME)
    assert not (await holds(memory).hold(ONE, WISH, ME)).live
    assert await memory.list_holds_of_owner(PATIENT) == []


async def test_a_wish_with_the_id_of_anothers_hold_finds_nothing(memory: InMemoryCalendar) -> None:
    first = await holds(memory).hold(ONE, WISH, ME)
    with pytest.raises(NoSuchHold):
        await holds(memory).hold(ONE, WISH, SOMEONE)
    assert memory.holds == {ONE: first}
