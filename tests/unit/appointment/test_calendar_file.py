"""The calendar file: the same UID for life, times in UTC, nothing about health."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from icalendar import Calendar

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.routes.icalendar_file import to_icalendar
from shared.contracts.clinic import ClinicProfile
from tests.unit.appointment.builders import HALF, NINE, a_change, a_doctor_snapshot, an_appointment, pending_with_any_doctor


def event_of(appointment: Appointment) -> dict[str, Any]:
    calendar = Calendar.from_ical(to_icalendar(appointment, ClinicProfile()))
    (event,) = calendar.walk("VEVENT")
    return dict(event)


def test_the_calendar_file_has_start_end_doctor_and_place_in_utc() -> None:
    appointment = an_appointment()
    event = event_of(appointment)
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (NINE, NINE + HALF)
    assert b"DTSTART:20260309T080000Z" in to_icalendar(appointment, ClinicProfile())
    assert (str(event["SUMMARY"]), str(event["LOCATION"])) == ("Appointment with Dr. Ada Weiss", "Room 4")


def test_the_uid_stays_and_the_sequence_grows_with_a_change() -> None:
    appointment = an_appointment()
    cancelled = appointment.cancel(a_change(note="private"))
    assert event_of(appointment)["UID"] == event_of(cancelled)["UID"] == f"{appointment.id}@careslot"
    assert (event_of(appointment)["SEQUENCE"], event_of(cancelled)["SEQUENCE"]) == (0, 1)


def test_the_calendar_file_contains_nothing_about_health() -> None:
    appointment = an_appointment(reason="knee", intake={"pain": "yes"}).cancel(a_change(note="healed"))
    text = to_icalendar(appointment, ClinicProfile()).decode()
    for word in ("Knee", "knee", "Orthopaedics", "pain", "healed", "Anna"):
        assert word not in text


@pytest.mark.parametrize(
    ("status", "calendar_status"),
    [
        (AppointmentStatus.BOOKED, "CONFIRMED"),
        (AppointmentStatus.REQUESTED, "TENTATIVE"),
        (AppointmentStatus.CANCELLED, "CANCELLED"),
        (AppointmentStatus.DECLINED, "CANCELLED"),
    ],
)
def test_the_status_of_the_calendar_event_follows_the_appointment(status: AppointmentStatus, calendar_status: str) -> None:
    assert event_of(an_appointment(status))["STATUS"] == calendar_status


def test_without_a_chosen_doctor_the_calendar_event_names_none() -> None:
    event = event_of(pending_with_any_doctor())
    assert (str(event["SUMMARY"]), event["STATUS"], "LOCATION" in event) == ("Appointment", "TENTATIVE", False)


def test_a_doctors_name_cannot_add_lines_to_the_file() -> None:
    appointment = an_appointment()
    hostile = replace(appointment, doctor=a_doctor_snapshot(full_name="A;B,C\r\nATTENDEE:x", location="x" * 300))
    assert set(event_of(hostile)) == set(event_of(appointment))
    assert all(len(entry) <= 75 for entry in to_icalendar(hostile, ClinicProfile()).split(b"\r\n"))


@pytest.mark.parametrize(
    ("mode", "summary", "location"),
    [
        ("in_person", "Appointment with Dr. Ada Weiss", "Room 4"),
        ("video", "Video appointment with Dr. Ada Weiss", None),
        ("phone", "Phone appointment with Dr. Ada Weiss", None),
    ],
)
def test_the_calendar_file_says_how_the_visit_takes_place_and_names_a_place_only_where_one_goes(
    mode: str, summary: str, location: str | None
) -> None:
    event = event_of(an_appointment(service={"mode": mode}))
    assert (str(event["SUMMARY"]), event.get("LOCATION")) == (summary, location)


def test_a_plain_download_has_no_method() -> None:
    assert b"METHOD" not in to_icalendar(an_appointment(), ClinicProfile())
