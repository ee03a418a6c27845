"""How times are read in the clinic's zone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from careslot.client.failures import UsageFault
from careslot.client.times import parse_day, parse_instant, start_of_day, to_api, zone_named

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 9, 12, 0, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-09 14:00", "2026-03-09T13:00:00Z"),
        ("2026-03-09T14:00", "2026-03-09T13:00:00Z"),
        ("2026-03-09T14:00:30", "2026-03-09T13:00:30Z"),
        ("2026-03-09T14:00-05:00", "2026-03-09T19:00:00Z"),
        ("2026-03-09T14:00:00Z", "2026-03-09T14:00:00Z"),
        ("today 9:05", "2026-03-09T08:05:00Z"),
        ("Tomorrow 9:05:07", "2026-03-10T08:05:07Z"),
        ("yesterday", "2026-03-07T23:00:00Z"),
        (" 2026-07-01 ", "2026-06-30T22:00:00Z"),
        ("2026-03-29 03:30", "2026-03-29T01:30:00Z"),
        ("2026-10-25 03:30", "2026-10-25T02:30:00Z"),
    ],
)
def test_a_time_is_read_in_the_zone_unless_it_has_an_offset(text: str, instant: str) -> None:
    assert to_api(parse_instant(text, NOW, BERLIN)) == instant


@pytest.mark.parametrize(
    "text",
    ["", "soon", "14:00", "2026-02-30", "2026-03-09 24:00", "2026-03-09 14:60", "2026-03-29 02:30", "2026-10-25 02:30", "0001-01-01",
     "0001-01-01T00:00+14:00", "9999-12-31", "9999-12-31T23:59-12:00", "2026-03-09 14:00 15:00", "2026-03-09 \u0661\u0664:00"],
)  # fmt: skip
def test_a_time_that_is_none_or_not_only_one_is_refused(text: str) -> None:
    with pytest.raises(UsageFault):
        parse_instant(text, NOW, BERLIN)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(UsageFault):
        assert parse_instant(text, NOW, BERLIN).tzinfo is UTC


@given(st.integers(0, 130 * 366 * 24 * 60), st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu"]))
def test_what_is_printed_can_be_read_back(minutes: int, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    instant = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    local = instant.astimezone(zone)
    other = local.replace(fold=1 - local.fold).astimezone(UTC)
    assume(other == instant or other.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None))  # the clocks show it only once
    assert parse_instant(f"{local:%Y-%m-%d %H:%M}", NOW, zone) == instant


def test_days_begin_at_the_midnight_of_their_zone() -> None:
    assert to_api(start_of_day(date(2026, 3, 29), BERLIN)) == "2026-03-28T23:00:00Z"
    assert to_api(start_of_day(date(2026, 3, 30), BERLIN)) == "2026-03-29T22:00:00Z"
    assert parse_day("TODAY", NOW) == date(2026, 3, 9)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "x" * 300, "Europe"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageFault):
        zone_named(name)
