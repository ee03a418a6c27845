"""Wishes to hold a time that come again, because their first answer was lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from scheduling_svc.domain.holds import LASTS, HoldWish
from scheduling_svc.domain.refusals import NoSuchHold
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.rulebook import Rulebook
from shared.contracts.identity import Caller, Role
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_service
from tests.unit.scheduling.fakes import Memory, Owner

ONE, WISH = UUID(int=0xF1), HoldWish(CHECKUP, DOCTOR, NINE)
ME, SOMEONE = Caller(PATIENT, Role.PATIENT), Caller(UUID(int=0xB), Role.PATIENT)


@pytest.fixture
def memory() -> Memory:
    return Memory({DOCTOR: a_doctor(), CHECKUP: a_service()})


def holds(memory: Memory, now: datetime = NOON) -> Holds:
    return Holds(memory, Rulebook(memory, Owner()), lambda: now)


async def test_a_repeated_wish_gets_the_hold_that_stands_and_no_more_time(memory: Memory) -> None:
    first = await holds(memory).hold(ONE, WISH, ME)
    assert await holds(memory, NOON + timedelta(minutes=1)).hold(ONE, WISH, ME) == first
    assert memory.kept == {ONE: first}


@pytest.mark.parametrize("later", [LASTS, NINE - NOON])
async def test_a_repeated_wish_is_not_judged_again_when_it_comes_too_late(memory: Memory, later: timedelta) -> None:
    first = await holds(memory).hold(ONE, WISH, ME)
    assert await holds(memory, NOON + later).hold(ONE, WISH, ME) == first


async def test_a_repeated_wish_does_not_bring_back_what_was_given_back(memory: Memory) -> None:
    await holds(memory).hold(ONE, WISH, ME)
    await holds(memory).drop(ONE, ME)
    assert not (await holds(memory).hold(ONE, WISH, ME)).live
    assert await memory.holds_of(PATIENT) == []


async def test_a_wish_with_the_id_of_anothers_hold_finds_nothing(memory: Memory) -> None:
    first = await holds(memory).hold(ONE, WISH, ME)
    with pytest.raises(NoSuchHold):
        await holds(memory).hold(ONE, WISH, SOMEONE)
    assert memory.kept == {ONE: first}
