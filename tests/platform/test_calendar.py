"""A user's calendar through the gateway, and as a calendar program reads it, which has the feed's link but no token."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

import httpx
from icalendar import Calendar

from tests.platform.accounts import book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Platform, wait_until


def fetch_feed(platform: Platform, url: str) -> httpx.Response:
    """Fetch a feed by its link, without a token."""
    return httpx.get(f"{platform.url}{urlsplit(url).path}", timeout=30)


def feed_is_gone(platform: Platform, url: str) -> bool:
    return fetch_feed(platform, url).status_code == 404


def test_a_calendar_program_reads_the_feed_until_its_link_ends(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    url = patient.request("POST", "/calendar/feed", status=201, key="once")["url"]
    appointment = book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"], reason="a secret reason")

    for user in (patient, doctor):
        (entry,) = user.request("GET", "/calendar")["items"]
        assert entry["appointment_id"] == appointment["id"]
        assert [entry[name] for name in ("starts_at", "ends_at", "local_start", "time_zone")] == [
            appointment[name] for name in ("starts_at", "ends_at", "local_start", "time_zone")
        ]

    response = fetch_feed(platform, url)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert response.headers["cache-control"] == "private, max-age=300"
    (event,) = Calendar.from_ical(response.content).walk("VEVENT")
    assert (event["UID"], event["SUMMARY"]) == (f"{appointment['id']}@careslot", "Appointment")
    for secret in ("a secret reason", service["name"], "Brandt", "Park", patient.id, doctor.id):
        assert secret not in response.text

    again = patient.request("POST", "/calendar/feed", status=201, key="once")["url"]
    assert (feed_is_gone(platform, url), feed_is_gone(platform, again)) == (True, False)
    patient.request("DELETE", "/calendar/feed", status=204)
    assert feed_is_gone(platform, again)


def test_the_link_of_a_disabled_account_ends(platform: Platform) -> None:
    admin, patient = sign_in_admin(platform), register_patient(platform)
    url = patient.request("POST", "/calendar/feed", status=201)["url"]
    assert not feed_is_gone(platform, url)
    admin.request("DELETE", f"/admin/users/{patient.id}")
    wait_until(partial(feed_is_gone, platform, url))
