"""How many visits a day and a week may have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scheduling_svc.domain.caps import exceeds_cap
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from shared.contracts.grains import DAY, grain_of
from tests.unit.scheduling.builders import NINE, a_doctor, a_service

HERE = grain_of(NINE)  # a Monday
THERE, TOMORROW, SUNDAY, NEXT_WEEK = HERE + 12, HERE + DAY, HERE + 6 * DAY, HERE + 7 * DAY
GROUP = {"capacity": 3}


@pytest.mark.parametrize(
    ("terms", "counted", "start", "is_too_many"),
    [
        ({}, [], THERE, False),
        ({"daily_cap": 1}, [], THERE, True),
        ({"daily_cap": 1}, [], TOMORROW, False),
        ({"daily_cap": 2}, [], THERE, False),
        ({"daily_cap": 2}, [TOMORROW], THERE, False),
        ({"daily_cap": 2}, [HERE + 24], THERE, True),
        ({"weekly_cap": 1}, [], SUNDAY, True),
        ({"weekly_cap": 1}, [], NEXT_WEEK, False),
        ({"weekly_cap": 2}, [], SUNDAY, False),
        ({"weekly_cap": 2}, [HERE - DAY], SUNDAY, False),
        ({"weekly_cap": 2}, [TOMORROW], SUNDAY, True),
        ({"daily_cap": 2, "weekly_cap": 2}, [SUNDAY], TOMORROW, True),
        (GROUP | {"daily_cap": 1}, [HERE], THERE, True),
        (GROUP | {"daily_cap": 2}, [HERE], THERE, False),
        (GROUP | {"daily_cap": 2}, [HERE, THERE], THERE, False),
        (GROUP | {"daily_cap": 2}, [THERE], THERE, False),
        (GROUP | {"daily_cap": 2}, [HERE, HERE + 24], THERE, True),
    ],
)
def test_a_visit_is_one_too_many(terms: dict[str, Any], counted: list[int], start: int, is_too_many: bool) -> None:
    service, hours = ServiceTerms.from_rules(a_service(**terms)), DoctorTerms.from_rules(a_doctor()).hours
    assert exceeds_cap(service, hours, counted, start, HERE) is is_too_many


def test_days_are_the_doctors_own() -> None:
    service, late = ServiceTerms.from_rules(a_service(daily_cap=1)), HERE + 12 * 12  # 21:00 in Berlin, the next morning in Auckland
    berlin, auckland = (DoctorTerms.from_rules(a_doctor(time_zone=zone)).hours for zone in ("Europe/Berlin", "Pacific/Auckland"))
    assert grain_of(NINE + timedelta(hours=12)) == late
    assert exceeds_cap(service, berlin, [], late, HERE)
    assert not exceeds_cap(service, auckland, [], late, HERE)
