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
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar, NoPatients

HOLD_ID, REQUEST = UUID(int=0xF1), HoldRequest(CHECKUP, DOCTOR, NINE)
ME, SOMEONE = Caller(PATIENT, Role.PATIENT), Caller(UUID(int=0xB), Role.PATIENT)


@pytest.fixture
def store() -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), CHECKUP: a_service()})


def holds(store: InMemoryCalendar, now: datetime = NOON) -> Holds:
    return Holds(store, RuleCache(store, FakeRuleOwner()), lambda: now, NoPatients())


async def test_a_repeated_request_returns_the_same_hold_with_the_same_end(store: InMemoryCalendar) -> None:
    first = await holds(store).hold(HOLD_ID, REQUEST, ME)
    assert await holds(store, NOON + timedelta(minutes=1)).hold(HOLD_ID, REQUEST, ME) == first
    assert store.holds == {HOLD_ID: first}


@pytest.mark.parametrize("later", [HOLD_DURATION, NINE - NOON])
async def test_a_repeated_request_is_not_evaluated_again_even_if_it_is_too_late(store: InMemoryCalendar, later: timedelta) -> None:
    first = await holds(store).hold(HOLD_ID, REQUEST, ME)
    assert await holds(store, NOON + later).hold(HOLD_ID, REQUEST, ME) == first


async def test_a_repeated_request_does_not_restore_a_hold_that_was_deleted(store: InMemoryCalendar) -> None:
    await holds(store).hold(HOLD_ID, REQUEST, ME)
    await holds(store).drop(HOLD_ID, ME)
    assert not (await holds(store).hold(HOLD_ID, REQUEST, ME)).live
    assert await store.list_holds_of_owner(PATIENT) == []


async def test_a_request_with_the_id_of_another_owners_hold_is_refused(store: InMemoryCalendar) -> None:
    first = await holds(store).hold(HOLD_ID, REQUEST, ME)
    with pytest.raises(NoSuchHold):
        await holds(store).hold(HOLD_ID, REQUEST, SOMEONE)
    assert store.holds == {HOLD_ID: first}
