"""How many visits a day and a week may have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scheduling_svc.domain.caps import exceeds_cap
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from shared.contracts.grains import DAY, grain_of
from tests.unit.scheduling.builders import NINE, a_doctor, a_service

MONDAY = grain_of(NINE)
AN_HOUR_LATER, TUESDAY, SUNDAY, NEXT_MONDAY = MONDAY + 12, MONDAY + DAY, MONDAY + 6 * DAY, MONDAY + 7 * DAY
GROUP = {"capacity": 3}


@pytest.mark.parametrize(
    ("terms", "counted", "start", "is_too_many"),
    [
        ({}, [], AN_HOUR_LATER, False),
        ({"daily_cap": 1}, [], AN_HOUR_LATER, True),
        ({"daily_cap": 1}, [], TUESDAY, False),
        ({"daily_cap": 2}, [], AN_HOUR_LATER, False),
        ({"daily_cap": 2}, [TUESDAY], AN_HOUR_LATER, False),
        ({"daily_cap": 2}, [MONDAY + 24], AN_HOUR_LATER, True),
        ({"weekly_cap": 1}, [], SUNDAY, True),
        ({"weekly_cap": 1}, [], NEXT_MONDAY, False),
        ({"weekly_cap": 2}, [], SUNDAY, False),
        ({"weekly_cap": 2}, [MONDAY - DAY], SUNDAY, False),
        ({"weekly_cap": 2}, [TUESDAY], SUNDAY, True),
        ({"daily_cap": 2, "weekly_cap": 2}, [SUNDAY], TUESDAY, True),
        (GROUP | {"daily_cap": 1}, [MONDAY], AN_HOUR_LATER, True),
        (GROUP | {"daily_cap": 2}, [MONDAY], AN_HOUR_LATER, False),
        (GROUP | {"daily_cap": 2}, [MONDAY, AN_HOUR_LATER], AN_HOUR_LATER, False),
        (GROUP | {"daily_cap": 2}, [AN_HOUR_LATER], AN_HOUR_LATER, False),
        (GROUP | {"daily_cap": 2}, [MONDAY, MONDAY + 24], AN_HOUR_LATER, True),
    ],
)
def test_a_visit_exceeds_a_cap_if_a_day_or_week_is_full(terms: dict[str, Any], counted: list[int], start: int, is_too_many: bool) -> None:
    service, hours = ServiceTerms.from_rules(a_service(**terms)), DoctorTerms.from_rules(a_doctor()).hours
    assert exceeds_cap(service, hours, counted, start, MONDAY) is is_too_many


def test_days_are_those_of_the_doctors_zone() -> None:
    service, late = ServiceTerms.from_rules(a_service(daily_cap=1)), MONDAY + 12 * 12  # 21:00 in Berlin, the next morning in Auckland
    berlin, auckland = (DoctorTerms.from_rules(a_doctor(time_zone=zone)).hours for zone in ("Europe/Berlin", "Pacific/Auckland"))
    assert grain_of(NINE + timedelta(hours=12)) == late
    assert exceeds_cap(service, berlin, [], late, MONDAY)
    assert not exceeds_cap(service, auckland, [], late, MONDAY)
