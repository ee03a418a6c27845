"""Requests to hold a time that are repeated because the first response was lost."""

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
def store() -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), CHECKUP: a_service()})


def holds(store: InMemoryCalendar, now: datetime = NOON) -> Holds:
    return Holds(store, RuleCache(store, FakeRuleOwner()), lambda: now)


async def test_a_repeated_wish_gets_the_hold_that_stands_and_no_more_time(store: InMemoryCalendar) -> None:
    first = await holds(store).hold(ONE, WISH, ME)
    assert await holds(store, NOON + timedelta(minutes=1)).hold(ONE, WISH, ME) == first
    assert store.holds == {ONE: first}


@pytest.mark.parametrize("later", [HOLD_DURATION, NINE - NOON])
async def test_a_repeated_wish_is_not_judged_again_when_it_comes_too_late(store: InMemoryCalendar, later: timedelta) -> None:
    first = await holds(store).hold(ONE, WISH, ME)
    assert await holds(store, NOON + later).hold(ONE, WISH, ME) == first


async def test_a_repeated_wish_does_not_bring_back_what_was_given_back(store: InMemoryCalendar) -> None:
    await holds(store).hold(ONE, WISH, ME)
    await holds(store).drop(ONE, ME)
    assert not (await holds(store).hold(ONE, WISH, ME)).live
    assert await store.list_holds_of_owner(PATIENT) == []


async def test_a_wish_with_the_id_of_anothers_hold_finds_nothing(store: InMemoryCalendar) -> None:
    first = await holds(store).hold(ONE, WISH, ME)
    with pytest.raises(NoSuchHold):
        await holds(store).hold(ONE, WISH, SOMEONE)
    assert store.holds == {ONE: first}
