"""Bookings without a named doctor: which doctor is booked, and the refusal if no doctor is free."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain.claims import Claim, requested_slot
from scheduling_svc.domain.holds import HOLD_DURATION, Hold
from scheduling_svc.domain.terms import ServiceTerms
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.grains import grain_of
from shared.contracts.http import WeeklyWindow
from shared.contracts.refusals import Refusal
from shared.contracts.relayed_refusals import NotBookable, PatientBusy, SlotHeld, SlotTaken
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NINE, NOON, PATIENT, a_doctor, a_reservation_request, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar

LONG = UUID(int=0x6)
OTHER = UUID(int=0xB)
APPOINTMENT_ID = UUID(int=0xF1)
HALF = timedelta(minutes=30)
EVERY_DAY = [WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in range(1, 8)]


def a_clinic(colleague: dict[str, Any], **terms: Any) -> InMemoryCalendar:
    """Return a calendar with two doctors who work around the clock."""
    doctors = [a_doctor(weekly=EVERY_DAY), a_doctor(**{"id": COLLEAGUE, "weekly": EVERY_DAY} | colleague)]
    return InMemoryCalendar({doctor.id: doctor for doctor in doctors} | {CHECKUP: a_service(**terms)})


async def book_any_doctor(store: InMemoryCalendar, start: datetime = NINE) -> UUID:
    """Return the doctor who is booked."""
    reservations = Reservations(store, RuleCache(store, FakeRuleOwner()), lambda: NOON)
    return (await reservations.reserve(APPOINTMENT_ID, a_reservation_request(doctor_id=None, starts_at=start))).doctor_id


async def refusal_of(store: InMemoryCalendar, start: datetime = NINE) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await book_any_doctor(store, start)
    return refused.value


async def list_reasons(store: InMemoryCalendar, start: datetime = NINE) -> list[str]:
    """Return the reasons why no doctor can be booked."""
    refused = await refusal_of(store, start)
    assert isinstance(refused, NotBookable)
    return [reason["code"] for reason in refused.facts["reasons"]]


def add_visit(store: InMemoryCalendar, doctor: UUID, start: datetime, patient: UUID | None = None, **terms: Any) -> None:
    """Book a visit of another patient, under the terms of another service."""
    service, appointment_id = ServiceTerms.from_rules(a_service(id=LONG, **terms)), UUID(int=0x100 + len(store.claims))
    request = a_reservation_request(starts_at=start, patient_id=patient or appointment_id, service_id=LONG)
    store.claims[appointment_id] = Claim(appointment_id, 1, requested_slot(request, service, doctor))


def add_hold(store: InMemoryCalendar, doctor: UUID, now: datetime = NOON) -> Hold:
    hold_id = UUID(int=0x200 + len(store.holds))
    store.holds[hold_id] = Hold.of(hold_id, OTHER, ServiceTerms.from_rules(a_service()), doctor, grain_of(NINE), now)
    return store.holds[hold_id]


async def test_a_visit_on_the_day_before_does_not_count_and_days_are_those_of_the_doctors_zone() -> None:
    """Noon in Berlin is midnight in Auckland."""
    noon = datetime(2026, 3, 9, 11, 0, tzinfo=UTC)
    store = a_clinic({"time_zone": "Pacific/Auckland"})
    add_visit(store, DOCTOR, noon - 3 * HALF)
    for halves in (2, 3, 4):
        add_visit(store, COLLEAGUE, noon - halves * HALF)
    assert await book_any_doctor(store, noon) == COLLEAGUE
    assert await book_any_doctor(a_clinic({"time_zone": "Pacific/Auckland"}), noon) == DOCTOR


async def test_a_visit_of_the_next_morning_does_not_count() -> None:
    late = datetime(2026, 3, 9, 10, 30, tzinfo=UTC)
    store = a_clinic({"time_zone": "Pacific/Auckland"})
    add_visit(store, DOCTOR, late - 2 * HALF)
    add_visit(store, COLLEAGUE, late + HALF, duration_minutes=90)
    assert await book_any_doctor(store, late) == COLLEAGUE


@pytest.mark.parametrize(("minutes", "chosen"), [(5, COLLEAGUE), (15, DOCTOR)])
async def test_of_a_visit_over_midnight_only_the_part_on_the_requested_day_counts(minutes: int, chosen: UUID) -> None:
    midnight = datetime(2026, 3, 8, 23, 0, tzinfo=UTC)
    store = a_clinic({})
    add_visit(store, DOCTOR, midnight - 3 * HALF, duration_minutes=100)
    add_visit(store, COLLEAGUE, midnight, duration_minutes=minutes)
    assert await book_any_doctor(store) == chosen


async def test_buffers_do_not_count_as_busy_time() -> None:
    store = a_clinic({})
    add_visit(store, DOCTOR, NINE + 4 * HALF, buffer_before_minutes=60, buffer_after_minutes=60)
    add_visit(store, COLLEAGUE, NINE + 4 * HALF, duration_minutes=35)
    assert await book_any_doctor(store) == DOCTOR


async def test_the_length_of_visits_counts_and_not_their_number() -> None:
    store = a_clinic({})
    add_visit(store, DOCTOR, NINE + 4 * HALF, duration_minutes=60)
    for halves in (4, 6):
        add_visit(store, COLLEAGUE, NINE + halves * HALF, duration_minutes=25)
    assert await book_any_doctor(store) == COLLEAGUE


async def test_held_time_does_not_count_as_busy_time() -> None:
    store = a_clinic({})
    add_hold(store, DOCTOR)
    assert await book_any_doctor(store, NINE + HALF) == DOCTOR


async def test_the_refusal_is_patient_busy_as_long_as_one_doctor_is_free() -> None:
    store = a_clinic({})
    add_visit(store, DOCTOR, NINE, PATIENT)
    assert isinstance(await refusal_of(store), PatientBusy)
    add_visit(store, COLLEAGUE, NINE)
    assert isinstance(await refusal_of(store), SlotTaken)


async def test_when_one_doctor_is_booked_and_another_held_the_refusal_is_slot_held() -> None:
    store = a_clinic({})
    add_visit(store, DOCTOR, NINE)
    held = add_hold(store, COLLEAGUE, NOON - timedelta(minutes=2))
    refused = await refusal_of(store)
    assert isinstance(refused, SlotHeld)
    assert refused.facts["available_again_at"] == held.expires_at


async def test_when_two_doctors_are_held_available_again_at_is_the_earlier_end() -> None:
    store = a_clinic({})
    add_hold(store, DOCTOR)
    add_hold(store, COLLEAGUE, NOON - timedelta(minutes=2))
    assert (await refusal_of(store)).facts["available_again_at"] == NOON - timedelta(minutes=2) + HOLD_DURATION


@pytest.mark.parametrize("change", [{"active": False}, {"accepting_patients": False}])
async def test_a_doctor_who_sees_no_patients_adds_no_reasons_to_those_of_the_others(change: dict[str, Any]) -> None:
    store = a_clinic(change)
    assert await list_reasons(store, NINE + timedelta(minutes=5)) == ["off_grid"]
    add_visit(store, DOCTOR, NINE)
    assert isinstance(await refusal_of(store), SlotTaken)


async def test_when_no_doctor_sees_patients_that_is_the_reason() -> None:
    store = a_clinic({"active": False})
    store.known[DOCTOR] = a_doctor(accepting_patients=False, weekly=EVERY_DAY)
    assert await list_reasons(store) == ["doctor_inactive", "doctor_not_accepting"]


async def test_the_reasons_of_several_doctors_are_given_once_and_in_the_order_of_the_rules() -> None:
    store = a_clinic({"weekly": []}, min_notice_minutes=10 * 24 * 60)
    assert await list_reasons(store, NINE + timedelta(minutes=5)) == ["too_soon", "outside_hours", "off_grid"]


async def test_a_service_that_no_doctor_offers_cannot_be_booked() -> None:
    store = a_clinic({"services": []})
    store.known[DOCTOR] = a_doctor(services=[])
    assert await list_reasons(store) == ["service_inactive"]
    assert store.claims == {}
