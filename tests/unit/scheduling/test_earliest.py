"""The earliest starts: none is lost between two windows of the search, and the order is always the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.slots import SlotList
from scheduling_svc.domain.terms import DoctorTerms
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.slots import EarliestQuery, SlotQuery, SlotSearch
from shared.contracts.http import DateOverride, DayWindow, DoctorRules, WeeklyWindow
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NINE, NOON, a_doctor, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar

DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 3, 9, tzinfo=UTC)
EVERY_DAY = [WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in range(1, 8)]
DOCTOR_IDS = [UUID(int=0xE0 + number) for number in range(5)]


def a_clinic(doctors: Sequence[DoctorRules], **terms: Any) -> SlotSearch:
    known: dict[UUID, Any] = {doctor.id: doctor for doctor in doctors}
    calendar = InMemoryCalendar(known | {CHECKUP: a_service(**terms)})
    return SlotSearch(calendar, RuleCache(calendar, FakeRuleOwner()), lambda: NOON)


async def list_earliest(slots: SlotSearch, **query: Any) -> SlotList:
    return await slots.list_earliest(EarliestQuery(CHECKUP, **query), None)


def a_doctor_open_on(*days: int) -> DoctorRules:
    """Return a doctor who works for half an hour on some days, given as days after NINE."""
    windows = [DayWindow(start="08:00", end="08:30")]
    dates = [(NINE + day * DAY).date() for day in days]
    return a_doctor(time_zone="UTC", weekly=[], overrides=[DateOverride(id=UUID(int=1), date=date, windows=windows) for date in dates])


@pytest.mark.parametrize(("horizon_days", "count"), [(7, 1), (8, 2), (10, 4), (14, 8), (220, 214)])
async def test_no_start_is_lost_or_repeated_between_two_windows_of_the_search(horizon_days: int, count: int) -> None:
    """There is one start a day, at the border of every window; the horizon ends at noon."""
    slots = a_clinic([a_doctor(time_zone="UTC", weekly=EVERY_DAY)], slot_step_minutes=24 * 60, horizon_days=horizon_days)
    slot_list = await list_earliest(slots, begins=MIDNIGHT, limit=1000)
    assert [slot.starts_at for slot in slot_list.items] == [MIDNIGHT + number * DAY for number in range(count)]
    assert slot_list.complete


@pytest.mark.parametrize("days", [(0, 1), (0, 35), (0, 2, 60), (5, 40, 41)])
async def test_a_list_is_incomplete_if_there_is_one_more_start_however_late(days: tuple[int, ...]) -> None:
    slots = a_clinic([a_doctor_open_on(*days)])
    for limit in range(1, len(days)):
        slot_list = await list_earliest(slots, limit=limit)
        assert ([slot.starts_at for slot in slot_list.items], slot_list.complete) == ([NINE + day * DAY for day in days[:limit]], False)
    assert (await list_earliest(slots, limit=len(days))).complete


@pytest.mark.parametrize(
    "doctor_ids",
    [DOCTOR_IDS, DOCTOR_IDS[::-1], [DOCTOR_IDS[3], DOCTOR_IDS[0], DOCTOR_IDS[4], DOCTOR_IDS[2], DOCTOR_IDS[1]]],
    ids=["first", "last", "mixed"],
)
async def test_at_the_same_start_doctors_are_ordered_by_id(doctor_ids: list[UUID]) -> None:
    slots = a_clinic([a_doctor(id=doctor_id) for doctor_id in doctor_ids])
    ranked = [(NINE + number * timedelta(minutes=30), doctor) for number in range(3) for doctor in DOCTOR_IDS]
    query = SlotQuery(CHECKUP, tuple(doctor_ids), begins=NINE, ends=NINE + timedelta(minutes=90))
    for slot_list in (await list_earliest(slots, begins=NINE, limit=15), await slots.list_free(query, None)):
        assert [(slot.starts_at, slot.doctor_id) for slot in slot_list.items] == ranked


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_the_pages_of_a_list_contain_every_start_once(limit: int) -> None:
    """There is one start a day, so that the first window may contain only starts that were listed before."""
    slots = a_clinic([a_doctor(id=doctor_id, time_zone="UTC", weekly=EVERY_DAY) for doctor_id in DOCTOR_IDS], slot_step_minutes=24 * 60)
    everything = (await list_earliest(slots, begins=MIDNIGHT, limit=20)).items
    after = None
    for first in range(0, 20, limit):
        page = await list_earliest(slots, begins=MIDNIGHT, limit=limit, after=after)
        assert (page.items[: 20 - first], page.complete) == (everything[first : first + limit], False)
        after = page.next


async def test_the_last_page_is_complete_and_no_page_follows() -> None:
    slots = a_clinic([a_doctor_open_on(0, 1, 35)])
    (*_, last) = (await list_earliest(slots, limit=3)).items
    rest = await list_earliest(slots, limit=1, after=(NINE + DAY, DOCTOR))
    assert ([slot.starts_at for slot in rest.items], rest.complete, rest.next) == ([last.starts_at], True, None)
    assert (await list_earliest(slots, after=(last.starts_at, DOCTOR))).items == []


@pytest.mark.parametrize(
    "words",
    [
        {"location": "zurich"},
        {"location": "ZÜRICH"},
        {"location": "zu\u0308rich"},
        {"location": "strasse"},
        {"specialty": "generaliste"},
        {"specialty": "Généraliste"},
        {"specialty": "ge\u0301ne\u0301raliste"},
        {"location": "Zürich", "specialty": "GENERALISTE", "language": "DE-ch"},
    ],
)
def test_a_doctor_matches_without_regard_to_accents_and_case(words: dict[str, Any]) -> None:
    doctor = DoctorTerms.from_rules(a_doctor(specialties=["Généraliste"], location="Zürich, Bahnhofstraße", languages=["de-CH"]))
    assert EarliestQuery(CHECKUP, **words).matches(doctor)
    plain = DoctorTerms.from_rules(a_doctor(specialties=["Generaliste"], location="Zurich, Bahnhofstrasse", languages=["de-CH"]))
    assert EarliestQuery(CHECKUP, **words).matches(plain)


@pytest.mark.parametrize("words", [{"location": "basel"}, {"specialty": "general"}, {"language": "d"}, {"language": "de-CH-1996"}])
def test_a_doctor_does_not_match_another_word(words: dict[str, Any]) -> None:
    doctor = DoctorTerms.from_rules(a_doctor(specialties=["Généraliste"], location="Zürich", languages=["de-CH"]))
    assert not EarliestQuery(CHECKUP, **words).matches(doctor)
