"""When a reminder is due, by elapsed time before the visit and by the quiet hours on the recipient's wall clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_svc.domain.quiet_hours import PersonalClock, instant_of
from shared.contracts.contacts import QuietHours

NIGHT = QuietHours(since=time(22), until=time(7))
BERLIN = PersonalClock("Europe/Berlin", NIGHT)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ZONE_NAMES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "America/Santiago", "Africa/Casablanca")


def local(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> datetime:
    """Return the instant at which the clock of a zone shows a time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def due(start: str, minutes: int, clock: PersonalClock = BERLIN, since: datetime = LONG_AGO) -> datetime | None:
    return clock.due_time(local(start), timedelta(minutes=minutes), since)


def test_a_reminder_is_due_at_its_offset_outside_of_quiet_hours() -> None:
    assert due("2026-03-10T15:00", 1440) == local("2026-03-09T15:00")
    assert due("2026-03-10T23:30", 60, PersonalClock("Europe/Berlin")) == local("2026-03-10T22:30")


def test_a_reminder_inside_of_quiet_hours_waits_for_their_end_if_an_hour_remains() -> None:
    assert due("2026-03-10T08:00", 120) == local("2026-03-10T07:00")


def test_a_reminder_that_cannot_wait_goes_out_before_the_quiet_hours_begin() -> None:
    assert due("2026-03-10T07:59", 120) == local("2026-03-09T21:55")
    assert due("2026-03-10T06:00", 15) == local("2026-03-09T21:55")


def test_a_reminder_that_cannot_wait_is_not_sent_if_the_quiet_hours_have_begun() -> None:
    assert due("2026-03-10T06:00", 60, since=local("2026-03-09T22:00")) is None
    assert due("2026-03-10T06:00", 60, since=local("2026-03-09T21:58")) == local("2026-03-09T21:58")


def test_quiet_hours_begin_with_their_first_minute_and_end_before_their_last() -> None:
    assert due("2026-03-10T08:00", 60) == local("2026-03-10T07:00")
    assert due("2026-03-10T23:00", 60) == local("2026-03-10T21:55")
    assert due("2026-03-10T22:59", 60) == local("2026-03-10T21:59")


def test_quiet_hours_may_lie_within_a_day() -> None:
    siesta = PersonalClock("Europe/Madrid", QuietHours(since=time(13), until=time(16)))
    assert due("2026-03-10T18:00", 180, siesta) == local("2026-03-10T16:00")
    assert due("2026-03-10T16:30", 60, siesta) == local("2026-03-10T12:55")


def test_quiet_hours_that_end_when_they_begin_are_empty() -> None:
    never = PersonalClock("Europe/Berlin", QuietHours(since=time(5), until=time(5)))
    assert due("2026-03-10T06:00", 60, never) == local("2026-03-10T05:00")


def test_an_offset_is_wanted_from_the_moment_on_at_which_it_would_be_due() -> None:
    nominal = local("2026-03-10T14:00")
    assert due("2026-03-10T15:00", 60, since=nominal) == nominal
    assert due("2026-03-10T15:00", 60, since=nominal + timedelta(seconds=1)) is None


def test_offsets_are_elapsed_minutes_over_the_nights_on_which_clocks_change() -> None:
    awake = PersonalClock("Europe/Berlin")
    assert due("2026-03-29T12:00", 1440, awake) == local("2026-03-28T11:00")
    assert due("2026-10-25T12:00", 1440, awake) == local("2026-10-24T13:00")


@pytest.mark.parametrize(
    ("zone", "day", "wall", "first", "second"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29T01:00Z", "2026-03-29T01:00Z"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30Z", "2026-10-25T01:30Z"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T07:00Z", "2026-03-08T07:00Z"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30Z", "2026-11-01T06:30Z"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:30Z", "2026-10-03T15:30Z"),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), "2026-04-04T14:45Z", "2026-04-04T15:15Z"),
        ("America/Santiago", date(2026, 9, 6), time(0), "2026-09-06T04:00Z", "2026-09-06T04:00Z"),
    ],
)
def test_wall_clock_times_that_are_left_out_or_shown_twice(zone: str, day: date, wall: time, first: str, second: str) -> None:
    assert instant_of(day, wall, ZoneInfo(zone), fold=0) == datetime.fromisoformat(first)
    assert instant_of(day, wall, ZoneInfo(zone), fold=1) == datetime.fromisoformat(second)


def test_quiet_hours_whose_end_the_clock_leaves_out_end_when_it_is_set_forward() -> None:
    clock = PersonalClock("Europe/Berlin", QuietHours(since=time(22), until=time(2, 30)))
    assert due("2026-03-29T12:00", 600, clock) == local("2026-03-29T03:00")


def test_quiet_hours_whose_end_the_clock_shows_twice_end_at_the_second_time() -> None:
    clock = PersonalClock("Europe/Berlin", QuietHours(since=time(22), until=time(2, 30)))
    assert due("2026-10-25T12:00", 11 * 60 + 15, clock) == local("2026-10-25T02:30", fold=1)


def test_a_due_reminder_that_meets_quiet_hours_waits_for_their_end_or_is_not_sent() -> None:
    assert BERLIN.time_to_send(local("2026-03-10T09:00"), local("2026-03-10T06:59")) == local("2026-03-10T07:00")
    assert BERLIN.time_to_send(local("2026-03-10T07:30"), local("2026-03-10T05:00")) is None
    assert BERLIN.time_to_send(local("2026-03-10T07:30"), local("2026-03-10T07:00")) == local("2026-03-10T07:00")


times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45, 59]))
minutes_of_2026 = st.integers(0, 365 * 24 * 60).map(lambda number: LONG_AGO + timedelta(minutes=number))
changes_of_clocks = ["2026-03-29T01:00Z", "2026-10-25T01:00Z", "2026-10-03T15:30Z", "2026-04-04T15:00Z"]
minutes_around = st.integers(-300, 300).map(lambda number: timedelta(minutes=number))
around_changes = st.builds(lambda text, by: datetime.fromisoformat(text) + by, st.sampled_from(changes_of_clocks), minutes_around)
nights_of_change = st.tuples(st.sampled_from(ZONE_NAMES), st.one_of(minutes_of_2026, around_changes))


@given(nights_of_change, times, times, st.integers(15, 20160), st.integers(0, 30000))
def test_no_reminder_is_due_while_the_wall_clock_shows_quiet_hours(
    place: tuple[str, datetime], since: time, until: time, offset: int, lead: int
) -> None:
    zone, nominal = place
    start = nominal + timedelta(minutes=offset)
    wanted_since = nominal - timedelta(minutes=lead)
    due_at = PersonalClock(zone, QuietHours(since=since, until=until)).due_time(start, timedelta(minutes=offset), wanted_since)
    if due_at is not None:
        assert wanted_since <= due_at < start
        shown = due_at.astimezone(ZoneInfo(zone)).time().replace(second=0, fold=0)
        is_quiet = since <= shown < until if since < until else (shown >= since or shown < until) and since != until
        assert not is_quiet


@given(nights_of_change, times, times)
def test_a_quiet_period_covers_every_minute_that_shows_quiet_hours(place: tuple[str, datetime], since: time, until: time) -> None:
    zone, instant = place
    shown = instant.astimezone(ZoneInfo(zone)).time().replace(fold=0)
    is_quiet = since <= shown < until if since < until else (shown >= since or shown < until) and since != until
    period = PersonalClock(zone, QuietHours(since=since, until=until)).quiet_period_at(instant)
    assert not is_quiet or period is not None
    if period is not None:
        assert period.begins_at <= instant < period.ends_at
        assert period.ends_at - period.begins_at <= timedelta(hours=50)


def test_periods_of_successive_nights_do_not_overlap_when_clocks_change() -> None:
    for zone in ZONE_NAMES:
        clock = PersonalClock(zone, QuietHours(since=time(2, 15), until=time(2)))
        instants = [datetime(2026, 3, 27, tzinfo=UTC) + timedelta(minutes=30 * number) for number in range(250)]
        periods = sorted({period for instant in instants if (period := clock.quiet_period_at(instant))})
        assert all(first.begins_at < second.begins_at for first, second in pairwise(periods))


def test_a_reminder_that_cannot_wait_keeps_clear_of_the_quiet_hours_before() -> None:
    clock = PersonalClock("Europe/Berlin", QuietHours(since=time(22), until=time(21, 58)))
    assert due("2026-03-10T22:10", 15, clock) == local("2026-03-09T21:58")
