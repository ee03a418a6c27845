"""Listing free time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import Claim, requested_slot
from scheduling_svc.domain.refusals import NoSuchReservation, UnknownDoctor
from scheduling_svc.domain.slots import SlotList
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.slots import SlotQuery, SlotSearch
from shared.contracts.identity import Caller, Role
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.relayed_refusals import NoSuchDoctor, UnknownService
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar

DAY = timedelta(days=1)
APPOINTMENT_ID = UUID(int=0xF1)


@pytest.fixture
def store() -> InMemoryCalendar:
    return InMemoryCalendar({DOCTOR: a_doctor(), COLLEAGUE: a_doctor(id=COLLEAGUE, time_zone="Europe/London"), CHECKUP: a_service()})


async def list_free(store: InMemoryCalendar, by: Caller | None = None, now: datetime = NOON, **query: Any) -> SlotList:
    slots = SlotSearch(store, RuleCache(store, FakeRuleOwner()), lambda: now)
    requested: dict[str, Any] = {"service_id": CHECKUP, "doctor_ids": (DOCTOR,)}
    return await slots.list_free(SlotQuery(**requested | query), by)


def local_starts(slot_list: SlotList) -> list[str]:
    return [slot.local_start[8:] for slot in slot_list.items]


async def test_free_times_come_in_order_with_the_doctors_clock(store: InMemoryCalendar) -> None:
    slot_list = await list_free(store, begins=NINE - DAY, ends=NINE + DAY)
    assert len(slot_list.items) == 16
    assert (slot_list.items[0].starts_at, slot_list.items[0].ends_at) == (NINE, NINE + timedelta(minutes=30))
    assert (slot_list.items[0].local_start, slot_list.items[0].time_zone) == ("2026-03-09T09:00", "Europe/Berlin")
    assert (slot_list.complete, slot_list.generated_at) == (True, NOON)


async def test_a_range_is_half_open(store: InMemoryCalendar) -> None:
    assert local_starts(await list_free(store, begins=NINE, ends=NINE + timedelta(hours=1))) == ["09T09:00", "09T09:30"]
    assert local_starts(await list_free(store, begins=NINE + timedelta(microseconds=1), ends=NINE + timedelta(hours=1))) == ["09T09:30"]


async def test_the_default_range_is_the_next_fourteen_days(store: InMemoryCalendar) -> None:
    slot_list = await list_free(store, now=NINE + timedelta(hours=7))
    assert local_starts(slot_list)[:2] == ["09T16:00", "09T16:30"]
    assert slot_list.items[-1].starts_at == NINE + 14 * DAY + timedelta(hours=6, minutes=30)


async def test_all_doctors_of_a_service_are_merged_by_time_then_id(store: InMemoryCalendar) -> None:
    slot_list = await list_free(store, doctor_ids=None, begins=NINE, ends=NINE + timedelta(minutes=90))
    assert [(slot.starts_at - NINE, slot.doctor_id) for slot in slot_list.items] == [
        (timedelta(minutes=0), DOCTOR),
        (timedelta(minutes=30), DOCTOR),
        (timedelta(minutes=60), DOCTOR),
        (timedelta(minutes=60), COLLEAGUE),
    ]


async def test_a_list_that_is_cut_by_its_limit_is_not_complete(store: InMemoryCalendar) -> None:
    everything = await list_free(store, begins=NINE, ends=NINE + DAY)
    cut = await list_free(store, begins=NINE, ends=NINE + DAY, limit=15)
    assert (cut.items, cut.complete) == (everything.items[:15], False)
    assert (await list_free(store, begins=NINE, ends=NINE + DAY, limit=16)).complete


async def test_the_requested_zone_only_changes_local_start(store: InMemoryCalendar) -> None:
    (slot, *_) = (await list_free(store, begins=NINE, ends=NINE + DAY, time_zone="Asia/Kathmandu")).items
    assert (slot.starts_at, slot.local_start, slot.time_zone) == (NINE, "2026-03-09T13:45", "Asia/Kathmandu")


async def test_only_patient_doctor_and_staff_may_exclude_an_appointment(store: InMemoryCalendar) -> None:
    store.claims[APPOINTMENT_ID] = Claim(
        APPOINTMENT_ID, 1, requested_slot(a_reservation_request(), ServiceTerms.from_rules(a_service()), DOCTOR)
    )
    hour: dict[str, Any] = {"begins": NINE, "ends": NINE + timedelta(hours=1)}
    assert local_starts(await list_free(store, **hour)) == ["09T09:30"]
    for caller in (Caller(PATIENT, Role.PATIENT), Caller(DOCTOR, Role.DOCTOR), Caller(UUID(int=1), Role.ADMIN)):
        assert local_starts(await list_free(store, caller, exclude_appointment_id=APPOINTMENT_ID, **hour)) == ["09T09:00", "09T09:30"]
    for stranger in (None, Caller(UUID(int=1), Role.PATIENT)):
        with pytest.raises(NoSuchReservation):
            await list_free(store, stranger, exclude_appointment_id=APPOINTMENT_ID, **hour)
    with pytest.raises(NoSuchReservation):
        await list_free(store, Caller(PATIENT, Role.PATIENT), exclude_appointment_id=UUID(int=1), **hour)


async def test_a_doctor_who_accepts_no_new_patients_has_slots_for_reception_only(store: InMemoryCalendar) -> None:
    store.known[DOCTOR] = a_doctor(accepting_patients=False)
    for caller in (None, Caller(PATIENT, Role.PATIENT), Caller(DOCTOR, Role.DOCTOR)):
        assert (await list_free(store, caller)).items == []
    assert (await list_free(store, Caller(UUID(int=1), Role.RECEPTION))).items != []


async def test_invalid_queries_are_refused(store: InMemoryCalendar) -> None:
    with pytest.raises(RangeReversed):
        await list_free(store, begins=NINE, ends=NINE)
    with pytest.raises(RangeReversed):
        await list_free(store, ends=NOON - DAY)
    with pytest.raises(RangeTooLong):
        await list_free(store, begins=NINE, ends=NINE + 62 * DAY + timedelta(seconds=1))
    with pytest.raises(UnknownService):
        await list_free(store, service_id=UUID(int=1))
    with pytest.raises(UnknownDoctor):
        await list_free(store, doctor_ids=(DOCTOR, UUID(int=1)))
    slots = SlotSearch(store, RuleCache(store, FakeRuleOwner()), lambda: NOON)
    with pytest.raises(NoSuchDoctor):
        await slots.list_free_of_doctor(SlotQuery(CHECKUP, (UUID(int=1),)), None)


async def test_a_range_at_the_end_of_time_is_empty(store: InMemoryCalendar) -> None:
    last = datetime(2199, 12, 31, 23, 59, tzinfo=UTC)
    assert (await list_free(store, begins=last)).items == []
    assert (await list_free(store, begins=datetime(1970, 1, 2, tzinfo=UTC), ends=datetime(1970, 2, 2, tzinfo=UTC))).items == []


async def test_a_doctor_named_twice_is_listed_once(store: InMemoryCalendar) -> None:
    twice = await list_free(store, doctor_ids=(DOCTOR, DOCTOR), begins=NINE, ends=NINE + DAY)
    assert twice == await list_free(store, begins=NINE, ends=NINE + DAY)
