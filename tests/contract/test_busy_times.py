"""How far busy times are read: visits that conflict or count are found, however far from the requested start they begin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.contracts.http import WeeklyWindow
from shared.contracts.identity import Caller, Role
from shared.contracts.relayed_refusals import NotBookable, SlotTaken
from tests.contract.grain_table import open_store
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, PATIENT, a_doctor, a_reservation_request, a_service

LONG = UUID(int=0x10)
ALWAYS = [WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in range(1, 8)]
FIVE, OTHER_PATIENT = timedelta(minutes=5), Caller(UUID(int=0xB), Role.PATIENT)
# In Berlin the week from the 19th on has an hour more: its Sunday has 25.
MONDAY, SUNDAY = datetime(2026, 10, 18, 22, 0, tzinfo=UTC), datetime(2026, 10, 25, 22, 55, tzinfo=UTC)


@pytest.fixture
async def use_cases(sql_url: str) -> AsyncIterator[CalendarUseCases]:
    """A doctor who always works, with visits of five minutes, one a week, and visits of twelve hours with buffers of a day before and
    after."""
    day = 24 * 60
    services = [
        a_service(duration_minutes=5, slot_step_minutes=5, weekly_cap=1),
        a_service(id=LONG, duration_minutes=12 * 60, buffer_before_minutes=day, buffer_after_minutes=day),
    ]
    async with open_store(sql_url) as store:
        yield await CalendarUseCases.open(store, MONDAY - timedelta(days=10), [a_doctor(services=[CHECKUP, LONG], weekly=ALWAYS)], services)


async def list_reasons(use_cases: CalendarUseCases, starts_at: datetime) -> list[str]:
    return [reason.code for reason in (await use_cases.slots.explain(CHECKUP, DOCTOR, starts_at, OTHER_PATIENT)).reasons]


@pytest.mark.parametrize(
    ("booked", "full", "open_day"), [(SUNDAY, MONDAY, MONDAY - FIVE), (MONDAY, SUNDAY, SUNDAY + FIVE)], ids=["sunday", "monday"]
)
async def test_a_visit_at_one_end_of_the_week_fills_the_other_and_no_other_week(
    use_cases: CalendarUseCases, booked: datetime, full: datetime, open_day: datetime
) -> None:
    await use_cases.reservations.reserve(UUID(int=1), a_reservation_request(starts_at=booked))
    assert await list_reasons(use_cases, full) == ["weekly_cap_reached"]
    assert await list_reasons(use_cases, open_day) == []
    with pytest.raises(NotBookable):
        await use_cases.reservations.reserve(UUID(int=2), a_reservation_request(patient_id=OTHER_PATIENT.id, starts_at=full))
    await use_cases.reservations.reserve(UUID(int=2), a_reservation_request(patient_id=OTHER_PATIENT.id, starts_at=open_day))


async def test_the_long_buffers_of_a_visit_are_found_from_both_ends(use_cases: CalendarUseCases) -> None:
    starts_at, day, half = MONDAY + timedelta(days=3), timedelta(days=1), timedelta(hours=12)
    first, last = starts_at - day, starts_at + half + day - FIVE
    await use_cases.reservations.reserve(UUID(int=1), a_reservation_request(service_id=LONG, patient_id=PATIENT, starts_at=starts_at))
    ends = [first - FIVE, first, last, last + FIVE]
    assert [await list_reasons(use_cases, item) for item in ends] == [[], ["buffer"], ["buffer"], []]
    for item in (first, last):
        with pytest.raises(SlotTaken):
            await use_cases.reservations.reserve(UUID(int=2), a_reservation_request(patient_id=OTHER_PATIENT.id, starts_at=item))
