"""The period of a report: its default, its bounds, and the clinic's days in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admin_svc.domain.report_periods import ReportPeriod
from shared.contracts.ranges import RangeReversed, RangeTooLong

NOW = datetime(2026, 3, 9, 22, 30, tzinfo=UTC)  # half past eleven in the evening in Berlin
YEAR_BEGINS = datetime(2027, 3, 28, 22, tzinfo=UTC)  # midnight in Berlin, after the clock went forward


def test_without_bounds_a_report_is_about_the_thirty_days_up_to_the_end_of_the_clinics_day() -> None:
    period = ReportPeriod.of(None, None, "Europe/Berlin", NOW)
    assert (period.begins, period.ends) == (datetime(2026, 2, 7, 23, tzinfo=UTC), datetime(2026, 3, 9, 23, tzinfo=UTC))
    assert ReportPeriod.of(None, None, "UTC", NOW).ends == datetime(2026, 3, 10, tzinfo=UTC)


def test_a_leap_year_of_the_clinic_fits_into_a_report_and_no_longer_time() -> None:
    longest = timedelta(days=366, hours=1)
    period = ReportPeriod.of(YEAR_BEGINS, YEAR_BEGINS + longest, "Europe/Berlin", NOW)
    assert period.ends - period.begins == longest
    with pytest.raises(RangeTooLong):
        ReportPeriod.of(YEAR_BEGINS, YEAR_BEGINS + longest + timedelta(seconds=1), "Europe/Berlin", NOW)
    with pytest.raises(RangeReversed):
        ReportPeriod.of(YEAR_BEGINS, YEAR_BEGINS - timedelta(seconds=1), "Europe/Berlin", NOW)


@pytest.mark.parametrize(
    ("noon", "hours"),
    [(datetime(2026, 3, 29, 11, tzinfo=UTC), 23), (datetime(2026, 10, 25, 11, tzinfo=UTC), 25), (datetime(2026, 5, 1, 11, tzinfo=UTC), 24)],
    ids=["forward", "back", "neither"],
)
def test_a_day_on_which_the_clock_changes_has_an_hour_less_or_more(noon: datetime, hours: int) -> None:
    day = ReportPeriod.day(noon, "Europe/Berlin")
    assert day.ends - day.begins == timedelta(hours=hours)
    assert {day.day_of(day.begins), day.day_of(day.ends - timedelta(seconds=1))} == {day.day_of(noon)}
    assert day.day_of(day.ends) != day.day_of(noon)


def test_the_hour_that_occurs_twice_gets_the_minutes_of_both_and_the_one_that_is_skipped_none() -> None:
    zone = ReportPeriod.day(NOW, "Europe/Berlin")
    autumn, spring = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert list(zone.minutes_by_hour(autumn, 90)) == [("02", 30), ("02", 60)]
    assert list(zone.minutes_by_hour(spring, 60)) == [("01", 30), ("03", 30)]
