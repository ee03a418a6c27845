"""Each reason is tested alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduling_svc.domain import availability
from scheduling_svc.domain.availability import conflict_of, reasons_against
from scheduling_svc.domain.busy_times import BookedTime, BusyTimes
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from shared.contracts.grains import grain_of
from shared.contracts.relayed_refusals import PatientBusy, SlotHeld, SlotTaken
from tests.unit.scheduling.builders import NINE, NOON, a_doctor, a_service

Minutes = tuple[int, int]
VIEWER = UUID(int=0xBEE)


def a_booked_time(at: Minutes, before: int = 0, after: int = 0) -> BookedTime:
    """Return a visit; `at` are the minutes after nine at which it starts and ends."""
    nine = grain_of(NINE)
    starts, ends = nine + at[0] // 5, nine + at[1] // 5
    return BookedTime(starts, ends, starts - before // 5, ends + after // 5)


def codes(
    start: datetime,
    *,
    now: datetime = NOON,
    doctor: Any = None,
    service: Any = None,
    is_staff: bool = False,
    patient: Sequence[BookedTime] = (),
    **busy_times: Any,
) -> list[str]:
    requested = range(grain_of(start), grain_of(start) + 1)
    offered, chosen = ServiceTerms.from_rules(service or a_service()), DoctorTerms.from_rules(doctor or a_doctor())
    grid = AvailabilityGrid.of(offered, chosen, requested, Viewer(now, VIEWER, is_staff), BusyTimes(**busy_times), BusyTimes(patient))
    return [reason.code for reason in reasons_against(grid, start)]


def test_a_free_time_has_no_reason_against_it() -> None:
    assert codes(NINE) == []


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (NINE - timedelta(hours=1), ["outside_hours"]),
        (NINE - timedelta(minutes=5), ["outside_hours"]),
        (NINE + timedelta(hours=8), ["outside_hours"]),
        (NINE + timedelta(hours=7, minutes=45), ["outside_hours", "off_grid"]),
        (NINE + timedelta(minutes=5), ["off_grid"]),
        (NINE + timedelta(minutes=2), ["off_grid"]),
        (NINE + timedelta(seconds=1), ["off_grid"]),
        (NINE - timedelta(days=7, seconds=0), ["in_the_past"]),
        (NINE + timedelta(weeks=20, hours=-1), ["beyond_horizon"]),
    ],
)
def test_a_start_outside_hours_grid_or_range_is_refused(start: datetime, expected: list[str]) -> None:
    assert codes(start) == expected


def test_notice_is_elapsed_time_and_a_start_at_its_end_can_be_booked() -> None:
    service = a_service(min_notice_minutes=60)
    assert codes(NINE, now=NINE - timedelta(minutes=60), service=service) == []
    assert codes(NINE, now=NINE - timedelta(minutes=60) + timedelta(microseconds=1), service=service) == ["too_soon"]
    assert codes(NINE, now=NINE, service=service) == ["too_soon"]
    assert codes(NINE, now=NINE + timedelta(seconds=1), service=service) == ["in_the_past"]


def test_the_horizon_is_elapsed_time_and_a_start_at_its_end_can_be_booked() -> None:
    service = a_service(horizon_days=7)
    assert codes(NINE, now=NINE - timedelta(days=7), service=service) == []
    assert codes(NINE, now=NINE - timedelta(days=7, microseconds=1), service=service) == ["beyond_horizon"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (a_booked_time((0, 30)), ["taken"]),
        (a_booked_time((-30, 5)), ["taken"]),
        (a_booked_time((25, 60)), ["taken"]),
        (a_booked_time((-60, 0)), []),
        (a_booked_time((30, 60)), []),
        (a_booked_time((-60, -5), after=10), ["buffer"]),
        (a_booked_time((35, 60), before=10), ["buffer"]),
        (a_booked_time((-60, -5), after=5), []),
    ],
)
def test_another_visit_takes_its_own_time_and_its_buffers(other: BookedTime, expected: list[str]) -> None:
    assert codes(NINE, booked=[other]) == expected


def test_the_time_between_two_visits_is_the_sum_of_their_buffers() -> None:
    later, service = NINE + timedelta(minutes=30), a_service(slot_step_minutes=5, buffer_before_minutes=10)
    before = a_booked_time((-30, 0), after=15)
    assert codes(later - timedelta(minutes=10), booked=[before], service=service) == ["buffer"]
    assert codes(later - timedelta(minutes=5), booked=[before], service=service) == []


def test_buffers_may_reach_out_of_the_hours() -> None:
    assert codes(NINE, service=a_service(buffer_before_minutes=30)) == []


def test_a_patient_has_one_appointment_at_a_time() -> None:
    assert codes(NINE, patient=[a_booked_time((15, 45))]) == ["patient_busy"]
    assert codes(NINE, patient=[a_booked_time((30, 60))], service=a_service(buffer_after_minutes=30)) == []


def test_an_inactive_doctor_and_a_service_that_is_not_offered_cannot_be_booked() -> None:
    assert codes(NINE, doctor=a_doctor(active=False)) == ["doctor_inactive"]
    assert codes(NINE, doctor=a_doctor(services=[])) == ["service_inactive"]
    assert codes(NINE, service=a_service(active=False)) == ["service_inactive"]


def test_only_staff_book_with_a_doctor_who_accepts_no_new_patients() -> None:
    full = a_doctor(accepting_patients=False)
    assert codes(NINE, doctor=full) == ["doctor_not_accepting"]
    assert codes(NINE, doctor=full, is_staff=True) == []
    assert codes(NINE - timedelta(hours=1), doctor=full, is_staff=True) == ["outside_hours"]


def test_the_detail_of_every_rule_is_a_sentence() -> None:
    assert all(reason.detail.endswith(".") for reason in availability.RULES)


def test_every_rule_has_a_code_of_its_own_except_those_about_groups() -> None:
    groups = {availability.FULL_GROUP, availability.HELD_GROUP}
    others = [reason for reason in availability.RULES if reason not in groups]
    assert len({reason.code for reason in others}) == len({reason.rule for reason in others}) == 15
    assert {reason.code for reason in groups} == {availability.TAKEN.code, availability.HELD.code}


def test_reasons_are_a_conflict_if_all_of_them_are_claims_of_others() -> None:
    codes = ("taken", "buffer", "held", "patient_busy", "outside_hours", "daily_cap_reached")
    groups = {availability.FULL_GROUP, availability.HELD_GROUP}
    reasons = {reason.code: reason for reason in availability.RULES if reason.code in codes and reason not in groups}
    assert conflict_of([reasons["taken"], reasons["patient_busy"]]) is SlotTaken
    assert conflict_of([reasons["buffer"]]) is SlotTaken
    assert conflict_of([reasons["patient_busy"]]) is PatientBusy
    assert conflict_of([reasons["held"], reasons["patient_busy"]]) is SlotHeld
    assert conflict_of([reasons["held"], reasons["buffer"]]) is SlotTaken
    assert conflict_of([reasons["taken"], reasons["daily_cap_reached"]]) is SlotTaken
    assert conflict_of([reasons["daily_cap_reached"]]) is None
    assert conflict_of([reasons["outside_hours"], reasons["taken"]]) is None
