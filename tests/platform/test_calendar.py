"""One's own calendar through the gateway, and in a calendar program that knows the link and no token."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

import httpx
from icalendar import Calendar

from tests.platform.houses import House, eventually
from tests.platform.people import admin_of, booked, doctor_of, patient_of, service_of, slots


def followed(house: House, url: str) -> httpx.Response:
    """What a calendar program gets that follows a link."""
    return httpx.get(f"{house.url}{urlsplit(url).path}", timeout=30)


def is_gone(house: House, url: str) -> bool:
    return followed(house, url).status_code == 404


def test_a_calendar_program_follows_the_agenda_until_the_link_ends(house: House) -> None:
    admin = admin_of(house)
    service = service_of(admin)
    doctor, patient = doctor_of(admin, service), patient_of(house)
    url = patient.ask("POST", "/calendar/feed", status=201, key="once")["url"]
    appointment = booked(patient, service, doctor, slots(patient, service, doctor.id)[0]["starts_at"], reason="a secret reason")

    for person in (patient, doctor):
        (entry,) = person.ask("GET", "/calendar")["items"]
        assert entry["appointment_id"] == appointment["id"]
        assert [entry[name] for name in ("starts_at", "ends_at", "local_start", "time_zone")] == [
            appointment[name] for name in ("starts_at", "ends_at", "local_start", "time_zone")
        ]

    answer = followed(house, url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert answer.headers["cache-control"] == "private, max-age=300"
    (event,) = Calendar.from_ical(answer.content).walk("VEVENT")
    assert (event["UID"], event["SUMMARY"]) == (f"{appointment['id']}@careslot", "Appointment")
    for secret in ("a secret reason", service["name"], "Brandt", "Park", patient.id, doctor.id):
        assert secret not in answer.text

    again = patient.ask("POST", "/calendar/feed", status=201, key="once")["url"]
    assert (is_gone(house, url), is_gone(house, again)) == (True, False)
    patient.ask("DELETE", "/calendar/feed", status=204)
    assert is_gone(house, again)


def test_a_disabled_account_ends_its_link(house: House) -> None:
    admin, patient = admin_of(house), patient_of(house)
    url = patient.ask("POST", "/calendar/feed", status=201)["url"]
    assert not is_gone(house, url)
    admin.ask("DELETE", f"/admin/users/{patient.id}")
    eventually(partial(is_gone, house, url))
