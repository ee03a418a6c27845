"""A group session without a seat that counts does not count against the caps of its week, however far it is from the start in question."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from scheduling_svc.domain.holds import HoldRequest
from shared.contracts.http import WeeklyWindow
from shared.contracts.identity import Caller, Role
from tests.contract.grain_table import open_store
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_service

DAYS = [WeeklyWindow(weekday=weekday, start="09:00", end="17:00") for weekday in range(1, 6)]
OWNER, OTHER = Caller(PATIENT, Role.PATIENT), Caller(UUID(int=0xB), Role.PATIENT)


@pytest.mark.parametrize(("by", "minutes", "against"), [(OWNER, 0, set()), (OTHER, 0, {"weekly_cap_reached"}), (OTHER, 5, set())])
async def test_a_held_seat_counts_against_the_cap_until_the_hold_ends(tmp_path: Path, by: Caller, minutes: int, against: set[str]) -> None:
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}") as store:
        use_cases = await CalendarUseCases.open(store, NOON, [a_doctor(weekly=DAYS)], [a_service(capacity=3, weekly_cap=1)])
        await use_cases.holds.hold(UUID(int=1), HoldRequest(CHECKUP, DOCTOR, NINE), OWNER)
        use_cases.now += timedelta(minutes=minutes)
        expected = await use_cases.slots.explain(CHECKUP, DOCTOR, NINE + timedelta(days=2), by)
        assert {reason.code for reason in expected.reasons} == against
