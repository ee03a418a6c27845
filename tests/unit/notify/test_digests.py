"""On which evening a doctor's digest is sent, and what it says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from notify_svc.domain.digests import DigestDay, DigestPreference

DOCTOR = UUID(int=9)
LONG_AGO = DigestPreference(DOCTOR, datetime(2026, 1, 1, tzinfo=UTC))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_digest_is_sent_from_six_in_the_evening_until_midnight_in_the_doctors_zone() -> None:
    day = DigestDay.after(instant("2026-03-09T12:00Z"), "America/New_York")
    assert (day.local_date, day.sent_from, day.starts_at) == (date(2026, 3, 10), instant("2026-03-09T22:00Z"), instant("2026-03-10T04:00Z"))
    assert not day.is_due(LONG_AGO, instant("2026-03-09T21:59Z"))
    assert day.is_due(LONG_AGO, instant("2026-03-09T22:00Z"))
    assert day.is_due(LONG_AGO, instant("2026-03-10T03:59Z"))
    assert not day.is_due(LONG_AGO, instant("2026-03-10T04:00Z"))


def test_a_doctor_who_switches_the_digest_on_in_the_evening_gets_the_first_on_the_next() -> None:
    day = DigestDay.after(instant("2026-03-09T18:00Z"), "Europe/Berlin")
    assert day.is_due(DigestPreference(DOCTOR, day.sent_from), day.sent_from)
    assert not day.is_due(DigestPreference(DOCTOR, day.sent_from + timedelta(seconds=1)), day.sent_from + timedelta(hours=1))


@pytest.mark.parametrize(
    ("zone", "evening", "hours"),
    [
        ("Europe/Berlin", "2026-03-28T20:00Z", 23),
        ("Europe/Berlin", "2026-10-24T20:00Z", 25),
        ("America/Santiago", "2026-09-05T23:00Z", 23),
        ("Australia/Lord_Howe", "2026-10-03T09:00Z", 23.5),
    ],
)
def test_the_day_of_a_digest_has_the_length_of_the_local_day(zone: str, evening: str, hours: float) -> None:
    day = DigestDay.after(instant(evening), zone)
    assert day.ends_at - day.starts_at == timedelta(hours=hours)
    assert day == DigestDay.of(day.local_date, zone)


def test_a_digest_says_times_and_count_only() -> None:
    day = DigestDay.after(instant("2026-03-09T18:00Z"), "Europe/Berlin")
    starts = [instant("2026-03-10T08:00Z"), instant("2026-03-10T08:00Z"), instant("2026-03-10T09:00Z")]
    message = day.message(DOCTOR, starts, day.sent_from)
    assert message.facts == {
        "doctor_id": str(DOCTOR),
        "date": "2026-03-10",
        "time_zone": "Europe/Berlin",
        "count": 3,
        "starts": ["2026-03-10T08:00:00Z", "2026-03-10T08:00:00Z", "2026-03-10T09:00:00Z"],
    }
    assert (message.valid_until, message.id) == (day.starts_at, day.message(DOCTOR, [], day.starts_at).id)
