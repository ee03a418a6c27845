"""The iCalendar writer: the icalendar library reads back what was written, and every line keeps to RFC 5545."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from shared.kit.icalendar import CalendarEvent, CalendarUser, calendar_file, fold_line

NINE = datetime(2026, 3, 9, 9, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), min_size=1, max_size=120)


def an_event(**changes: Any) -> CalendarEvent:
    times = {"stamped_at": NINE - timedelta(days=1), "starts_at": NINE, "ends_at": NINE + timedelta(minutes=30)}
    return CalendarEvent(**{"uid": "1@careslot", "summary": "Appointment"} | times | changes)


def read(file: bytes) -> Any:
    return Calendar.from_ical(file)


def read_event(event: CalendarEvent) -> Any:
    (component,) = read(calendar_file([event])).walk("VEVENT")
    return component


def test_an_event_is_read_back_as_it_was_written() -> None:
    clinic, patient = CalendarUser("clinic@careslot.example", "Careslot Clinic"), CalendarUser("mina@example.com", "Park, Mina")
    component = read_event(
        an_event(sequence=3, status="TENTATIVE", location="Room 3; left", is_private=True, organizer=clinic, attendee=patient)
    )
    assert (component["UID"], component["SEQUENCE"], component["STATUS"]) == ("1@careslot", 3, "TENTATIVE")
    assert (component["SUMMARY"], component["LOCATION"], component["CLASS"]) == ("Appointment", "Room 3; left", "PRIVATE")
    assert (component["DTSTART"].dt, component["DTEND"].dt) == (NINE, NINE + timedelta(minutes=30))
    assert component["DTSTAMP"].dt == NINE - timedelta(days=1)
    assert (component["ORGANIZER"], component["ORGANIZER"].params["CN"]) == ("mailto:clinic@careslot.example", "Careslot Clinic")
    assert (component["ATTENDEE"], component["ATTENDEE"].params["CN"]) == ("mailto:mina@example.com", "Park, Mina")
    assert (component["ATTENDEE"].params["PARTSTAT"], component["ATTENDEE"].params["RSVP"]) == ("ACCEPTED", "FALSE")


def test_a_name_has_no_character_that_ends_it_in_a_calendar_program() -> None:
    component = read_event(an_event(organizer=CalendarUser("clinic@careslot.example", 'Clinic; "Left": A, B')))
    assert component["ORGANIZER"].params["CN"] == "Clinic, 'Left': A, B"


def test_fields_without_a_value_are_not_written() -> None:
    component = read_event(an_event())
    assert set(component) == {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "STATUS", "TRANSP"}
    calendar = read(calendar_file([an_event()]))
    assert set(calendar) == {"VERSION", "PRODID"}


def test_times_are_written_in_utc_to_the_second() -> None:
    local = NINE.astimezone(timezone(timedelta(hours=5, minutes=45))).replace(microsecond=123456)
    file = calendar_file([an_event(starts_at=local)])
    assert b"DTSTART:20260309T090000Z\r\n" in file


def test_the_method_is_written() -> None:
    assert read(calendar_file([an_event()], method="CANCEL"))["METHOD"] == "CANCEL"


def test_a_subscription_has_a_name_and_an_interval() -> None:
    calendar = read(calendar_file([], name="Careslot", refresh_minutes=15))
    assert calendar["X-WR-CALNAME"] == "Careslot"
    assert calendar["REFRESH-INTERVAL"].params["VALUE"] == "DURATION"
    assert calendar["REFRESH-INTERVAL"].to_ical() == calendar["X-PUBLISHED-TTL"].to_ical() == b"PT15M"


def test_a_calendar_without_events_has_a_component() -> None:
    assert [component.name for component in read(calendar_file([])).subcomponents] == ["VTIMEZONE"]


@given(summary=TEXTS, location=TEXTS)
def test_any_text_is_read_back_and_adds_no_line(summary: str, location: str) -> None:
    event = an_event(summary=summary, location=location)
    component = read_event(event)
    assert (component["SUMMARY"], component["LOCATION"]) == (summary, location)
    assert component.keys() == read_event(replace(event, summary="x", location="x")).keys()


@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=120))
def test_no_name_adds_a_line_or_changes_an_address(name: str) -> None:
    component = read_event(an_event(attendee=CalendarUser("mina@example.com", name), summary=name))
    assert component["ATTENDEE"] == "mailto:mina@example.com"
    assert component.keys() == read_event(an_event(attendee=CalendarUser("mina@example.com", "x"))).keys()


@pytest.mark.parametrize(
    ("email", "uri"),
    [
        ("jürgen@example.com", "mailto:j%C3%BCrgen@example.com"),
        ("mina@müller.de", "mailto:mina@m%C3%BCller.de"),
        ("o'neil+x!$*y@a.example", "mailto:o'neil+x!$*y@a.example"),
        ("a%b?c&d=e/f#g@a.example", "mailto:a%25b%3Fc%26d%3De%2Ff%23g@a.example"),
    ],
)
def test_addresses_are_percent_encoded_as_mailto_uris_require(email: str, uri: str) -> None:
    event = read_event(an_event(organizer=CalendarUser(email, "x"), attendee=CalendarUser(email, "x")))
    assert (event["ORGANIZER"], event["ATTENDEE"]) == (uri, uri)


def test_a_line_break_in_a_text_is_escaped_and_other_control_characters_are_left_out() -> None:
    assert b"SUMMARY:a\\nb\\nc\r\n" in calendar_file([an_event(summary="a\r\nb\rc\x00\x7f")])


@given(line=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=400))
def test_lines_are_folded_at_75_octets_between_characters(line: str) -> None:
    parts = fold_line(line).split("\r\n")
    assert all(len(part.encode()) <= 75 for part in parts)
    assert parts[0] + "".join(part[1:] for part in parts[1:]) == line
    assert all(part.startswith(" ") for part in parts[1:])


@pytest.mark.parametrize(("length", "lines"), [(75, 1), (76, 2), (149, 2), (150, 3)])
def test_a_line_of_up_to_75_octets_is_not_folded(length: int, lines: int) -> None:
    assert len(fold_line("x" * length).split("\r\n")) == lines


def test_ten_thousand_events_take_less_than_a_second() -> None:
    started = time.process_time()
    calendar_file([an_event() for _ in range(10_000)])
    assert time.process_time() - started < 1
