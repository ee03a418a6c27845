"""The links in mails over HTTP: JSON for apps, a page for people."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.visit_links import MAX_LINKS
from tests.service.appointment.clinic import ADMIN_SERVICE, ANNA, BO, DESK, NOTIFICATION_SERVICE, RunningClinic
from tests.service.appointment.pages import ParsedPage
from tests.unit.appointment.builders import LINK_TOKENS, NINE, PATIENT, STRANGER, TEN, a_patient_contact, a_service

JSON = {"Accept": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
GUARDIAN = UUID(int=0xC)
UNKNOWN = "A" * 43


def link_of(appointment: dict[str, Any], recipient_id: UUID = PATIENT) -> str:
    return f"/visit/{LINK_TOKENS.token_for(UUID(appointment['id']), recipient_id)}"


async def open_page(clinic: RunningClinic, path: str, method: str = "GET", **headers: str) -> tuple[httpx.Response, ParsedPage]:
    response = await clinic.service.http.request(method, path, headers=BROWSER | headers)
    assert response.headers["content-type"] == "text/html; charset=utf-8", response.text
    return response, ParsedPage(str(response.url), response.text)


async def submit(clinic: RunningClinic, page: ParsedPage, button: str) -> tuple[httpx.Response, ParsedPage]:
    """Press a button as a browser does: a form without fields is sent with the type of a form and an empty body."""
    (form,) = [form for form in page.forms if button in form.buttons]
    assert (form.method, form.names) == ("post", [])
    headers = {"content-type": "application/x-www-form-urlencoded", "content-length": "0", "origin": "null"}
    return await open_page(clinic, form.action, "POST", **headers)


async def test_an_app_reads_confirms_and_cancels_by_the_link(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(reason="a rash", intake={"Since when?": "May"})
    link, http = link_of(appointment), clinic.service.http
    read = (await http.get(link, headers=JSON)).json()
    assert read == {
        "status": "booked",
        "starts_at": "2026-03-09T08:00:00Z",
        "ends_at": "2026-03-09T08:30:00Z",
        "local_start": "2026-03-09T08:00",
        "time_zone": "Europe/Lisbon",
        "clinic_name": "Lindenstrasse Clinic",
        "clinic_address": None,
        "clinic_phone": None,
        "cancellation_policy": None,
        "doctor": {"full_name": "Ada Weiss", "title": "Dr."},
        "mode": "in_person",
        "place": "Room 4",
        "confirmed_at": None,
        "sequence": 0,
        "can_confirm": True,
        "can_cancel": True,
    }
    confirmed = await http.post(f"{link}/confirm", headers=JSON)
    again = await http.post(f"{link}/confirm", headers=JSON)
    assert (confirmed.status_code, again.status_code, again.json()) == (200, 200, confirmed.json())
    assert confirmed.json() == read | {"confirmed_at": "2026-03-02T12:00:00Z", "can_confirm": False}
    stored = (await clinic.get(f"/appointments/{appointment['id']}")).json()
    assert (stored["confirmed_at"], stored["version"]) == ("2026-03-02T12:00:00Z", appointment["version"] + 1)
    cancelled = await http.post(f"{link}/cancel", json={}, headers=JSON)
    assert (cancelled.status_code, cancelled.json()["status"], cancelled.json()["can_cancel"]) == (200, "cancelled", False)
    for response in (await http.get(link, headers=JSON), await http.post(f"{link}/cancel", headers=JSON)):
        assert (response.status_code, response.json()["code"]) == (410, "link_expired")
        assert response.headers["content-type"] == "application/problem+json"
    assert await clinic.published() == ["booked", "amended", "cancelled"]
    history = (await clinic.get(f"/appointments/{appointment['id']}/history")).json()["items"]
    assert [(entry["action"], entry["actor"]["id"]) for entry in history[1:]] == [("confirmed", str(PATIENT)), ("cancelled", str(PATIENT))]


async def test_a_person_confirms_and_cancels_on_the_page(clinic: RunningClinic) -> None:
    clinic.upstreams.contacts[PATIENT] = a_patient_contact(locale="en-US")
    appointment = await clinic.booked(reason="a rash")
    _, page = await open_page(clinic, link_of(appointment))
    assert (page.language, page.title, page.headings) == ("en", "Your appointment", [("h1", "Your appointment")])
    assert page.details == [
        ("Date", "Monday, 9 March 2026"),
        ("Time", "08:00 (Western European Standard Time, Europe/Lisbon)"),
        ("Doctor", "Dr. Ada Weiss"),
        ("Kind of visit", "In person"),
        ("Place", "Room 4"),
        ("Clinic", "Lindenstrasse Clinic"),
    ]
    assert [form.buttons for form in page.forms] == [["I will come"], ["Cancel the appointment"]]
    assert not [word for word in ("Ames", "rash", "Knee", "Orthopaedics", appointment["id"], str(PATIENT)) if word in page.text]
    _, page = await submit(clinic, page, "I will come")
    assert (page.title, [form.buttons for form in page.forms]) == ("Your appointment is confirmed", [["Cancel the appointment"]])
    response, page = await submit(clinic, page, "Cancel the appointment")
    assert (response.status_code, page.title, page.forms) == (200, "Your appointment is cancelled", [])
    response, page = await open_page(clinic, link_of(appointment))
    assert (response.status_code, page.headings, page.forms) == (410, [("h1", "This link has expired")], [])
    assert await clinic.published() == ["booked", "amended", "cancelled"]


async def test_what_scanners_do_with_a_link_changes_nothing(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    link, http = link_of(appointment), clinic.service.http
    for path in (link, f"{link}/confirm", f"{link}/cancel"):
        responses = {method: await http.request(method, path, headers=BROWSER) for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")}
        expected = {200, 405} if path == link else {405}
        assert {response.status_code for response in responses.values()} == expected
        assert responses["HEAD"].content == b""
    head = await http.head(link, headers=JSON)
    assert (head.status_code, head.headers["content-type"]) == (200, "application/json")
    assert (await clinic.get(f"/appointments/{appointment['id']}")).json() == appointment
    assert await clinic.published() == ["booked"]


@pytest.mark.parametrize("accept", [JSON, BROWSER])
async def test_answers_to_links_are_not_stored_not_indexed_and_send_no_referrer(clinic: RunningClinic, accept: dict[str, str]) -> None:
    appointment = await clinic.booked()
    http = clinic.service.http
    for path in (link_of(appointment), f"/visit/{UNKNOWN}"):
        headers = (await http.get(path, headers=accept)).headers
        names = ("cache-control", "referrer-policy", "x-robots-tag", "x-content-type-options", "vary")
        assert [headers[name] for name in names] == ["no-store", "no-referrer", "noindex, nofollow", "nosniff", "Accept, Accept-Language"]
        assert "etag" not in headers


async def test_the_page_loads_nothing_and_runs_no_script(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    response, page = await open_page(clinic, link_of(appointment))
    assert page.addresses == ["data:,"]
    assert not {"script", "img", "iframe", "object"} & set(page.elements)
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert all(form.action.startswith("http://test/visit/") for form in page.forms)


async def test_a_hostile_name_stays_text(clinic: RunningClinic) -> None:
    name = "<script>alert(1)</script>"
    clinic.upstreams.doctors = {key: doctor.model_copy(update={"full_name": name}) for key, doctor in clinic.upstreams.doctors.items()}
    _, page = await open_page(clinic, link_of(await clinic.booked()))
    assert ("Arzt" in dict(page.details), "script" in page.elements) == (False, False)
    assert f"Dr. {name}" in dict(page.details).values()


@pytest.mark.parametrize(
    ("locale", "accepted", "language"),
    [
        ("de-AT", "fr", "de"),
        ("fr", "de", "fr"),
        ("es-419", "", "es"),
        ("pt", "es;q=0.5, fr-CA;q=0.9, *", "fr"),
        (None, "de;q=0, es", "es"),
        (None, "tlh, \x7f;;q=x", "en"),
        (None, "", "en"),
    ],
)
async def test_the_page_speaks_the_recipients_language(clinic: RunningClinic, locale: str | None, accepted: str, language: str) -> None:
    clinic.upstreams.contacts[PATIENT] = a_patient_contact(locale=locale)
    response, page = await open_page(clinic, link_of(await clinic.booked()), **{"Accept-Language": accepted})
    assert (page.language, response.headers["content-language"]) == (language, language)
    assert len(page.details) == 6


@pytest.mark.parametrize(
    ("language", "title"), [("en", "This link is not known"), ("de", "Dieser Link ist nicht bekannt"), ("pt", "This link is not known")]
)
async def test_a_refusal_is_a_page_in_the_readers_language(clinic: RunningClinic, language: str, title: str) -> None:
    response, page = await open_page(clinic, f"/visit/{UNKNOWN}", **{"Accept-Language": language})
    assert (response.status_code, page.title, page.headings) == (404, title, [("h1", title)])


@pytest.mark.parametrize("path", [UNKNOWN, "x", "A" * 44, "%00" * 43, "..%2Fadmin", "%F0%9F%98%80", "A" * 42 + "%0A"])
async def test_a_hostile_token_is_an_unknown_link(clinic: RunningClinic, path: str) -> None:
    for method, suffix in (("GET", ""), ("POST", "/confirm"), ("POST", "/cancel")):
        response = await clinic.service.http.request(method, f"/visit/{path}{suffix}", headers=JSON)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


async def test_a_body_that_a_page_does_not_send_is_refused(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    link, http = link_of(appointment), clinic.service.http
    form = await http.post(f"{link}/cancel", data={"reason": "x"}, headers=BROWSER)
    unexpected = await http.post(f"{link}/cancel", json={"reason": "x"}, headers=BROWSER)
    unknown = await http.post(f"{link}/cancel?seen=1", headers=BROWSER)
    wrong = [await http.post(f"{link}/cancel?sequence={value}", headers=BROWSER) for value in ("x", "-1", 2**31)]
    codes = [(response.status_code, response.json()["code"]) for response in (form, unexpected, unknown, *wrong)]
    invalid = (422, "validation_failed")
    assert codes == [(415, "unsupported_media_type"), invalid, (422, "unknown_parameter"), invalid, invalid, invalid]
    assert await clinic.published() == ["booked"]


async def test_a_page_of_before_a_move_confirms_nothing_and_leads_to_the_new_time(clinic: RunningClinic) -> None:
    clinic.upstreams.contacts[PATIENT] = a_patient_contact(locale="en")
    appointment = await clinic.booked()
    _, old_page = await open_page(clinic, link_of(appointment))
    await clinic.service.http.post(f"{link_of(appointment)}/confirm", headers=JSON)
    moved = (await clinic.do(appointment, "reschedule", starts_at=TEN.isoformat())).json()
    assert moved["confirmed_at"] is None
    for button in ("I will come", "Cancel the appointment"):
        response, page = await submit(clinic, old_page, button)
        assert (response.status_code, page.title) == (409, "The appointment has changed")
    (again,) = [address for address in page.addresses if not address.startswith("data:")]
    response, page = await open_page(clinic, str(httpx.URL(page.url).join(again)))
    assert ("Time", "09:00 (Western European Standard Time, Europe/Lisbon)") in page.details
    problem = await clinic.service.http.post(f"{link_of(appointment)}/confirm?sequence=0", headers=JSON)
    assert (problem.status_code, problem.json()["code"], problem.json()["sequence"]) == (409, "visit_changed", 1)
    _, page = await submit(clinic, page, "I will come")
    assert page.title == "Your appointment is confirmed"
    assert await clinic.published() == ["booked", "amended", "rescheduled", "amended"]


async def test_inside_the_cut_off_the_page_says_whom_to_call(clinic: RunningClinic) -> None:
    clinic.upstreams.contacts[PATIENT] = a_patient_contact(locale="en")
    clinic.upstreams.service = a_service(cancel_cutoff_minutes=60)
    appointment = await clinic.booked()
    _, early_page = await open_page(clinic, link_of(appointment))
    clinic.service.clock.set(NINE - timedelta(minutes=59))
    _, page = await open_page(clinic, link_of(appointment))
    assert ([form.buttons for form in page.forms], "Please call the clinic" in page.text) == ([["I will come"]], True)
    response, page = await submit(clinic, early_page, "Cancel the appointment")
    assert (response.status_code, page.title) == (409, "It is too late to cancel online")
    problem = (await clinic.service.http.post(f"{link_of(appointment)}/cancel", headers=JSON)).json()
    assert (problem["code"], problem["cutoff_minutes"]) == ("too_late", 60)


async def test_a_request_that_waits_for_approval_cannot_be_confirmed(clinic: RunningClinic) -> None:
    clinic.upstreams.contacts[PATIENT] = a_patient_contact(locale="en")
    clinic.upstreams.service = a_service(requires_approval=True)
    appointment = await clinic.booked()
    _, page = await open_page(clinic, link_of(appointment))
    assert (page.title, [form.buttons for form in page.forms]) == ("Your appointment is not approved yet", [["Cancel the appointment"]])
    response, page = await open_page(clinic, f"{link_of(appointment)}/confirm", "POST")
    assert (response.status_code, page.title) == (409, "This is not possible now")


async def test_while_patient_service_does_not_answer_the_link_is_unavailable(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    clinic.upstreams.down.add("patient-service")
    response, page = await open_page(clinic, link_of(appointment), **{"Accept-Language": "en"})
    assert (response.status_code, page.title, response.headers["retry-after"]) == (503, "Please try again", "2")
    assert (await clinic.service.http.post(f"{link_of(appointment)}/cancel", headers=JSON)).json()["code"] == "unavailable"
    assert await clinic.published() == ["booked"]


async def test_a_guardians_link_dies_with_the_guardianship(clinic: RunningClinic) -> None:
    clinic.upstreams.contacts[PATIENT] = a_patient_contact(guardian_ids=[GUARDIAN])
    clinic.upstreams.contacts[GUARDIAN] = a_patient_contact(id=GUARDIAN, full_name="Gus Ames")
    appointment, http = await clinic.booked(), clinic.service.http
    body = {"links": [{"appointment_id": appointment["id"], "recipient_id": str(GUARDIAN)}]}
    (link,) = (await http.post("/internal/visit-links", json=body, headers=NOTIFICATION_SERVICE)).json()["items"]
    confirmed = await http.post(f"/visit/{link['token']}/confirm", headers=JSON)
    assert (confirmed.status_code, "Gus" in confirmed.text) == (200, False)
    clinic.upstreams.contacts[PATIENT] = a_patient_contact()
    assert (await http.post(f"/visit/{link['token']}/cancel", headers=JSON)).json()["code"] == "link_expired"
    assert (await http.get(link_of(appointment), headers=JSON)).status_code == 200


async def test_a_token_that_is_sent_along_is_verified_and_grants_nothing(clinic: RunningClinic) -> None:
    appointment = await clinic.booked()
    invalid = await clinic.service.http.get(link_of(appointment), headers=JSON | {"Authorization": "Bearer nonsense"})
    assert (invalid.status_code, invalid.json()["code"]) == (401, "invalid_token")
    confirmed = await clinic.service.http.post(f"{link_of(appointment)}/confirm", headers=JSON | BO)
    assert confirmed.json()["confirmed_at"]
    history = (await clinic.get(f"/appointments/{appointment['id']}/history")).json()["items"]
    assert history[-1]["actor"]["id"] == str(PATIENT)


async def test_only_notification_service_gets_links_and_changes(clinic: RunningClinic) -> None:
    appointment, http = await clinic.booked(), clinic.service.http
    body = {"links": [{"appointment_id": appointment["id"], "recipient_id": str(PATIENT)}]}
    for headers, status in (({}, 401), (ANNA, 403), (DESK, 403), (ADMIN_SERVICE, 403), (NOTIFICATION_SERVICE, 200)):
        assert (await http.post("/internal/visit-links", json=body, headers=headers)).status_code == status
        changes = await http.get("/internal/appointment-changes?from=2026-03-01T00:00:00Z", headers=headers)
        assert changes.status_code == status


async def test_links_are_made_in_bounded_batches(clinic: RunningClinic) -> None:
    appointment, http = await clinic.booked(), clinic.service.http
    key = {"appointment_id": appointment["id"], "recipient_id": str(PATIENT)}
    unknown = {"appointment_id": str(STRANGER), "recipient_id": str(PATIENT)}
    made = (await http.post("/internal/visit-links", json={"links": [key, unknown, key]}, headers=NOTIFICATION_SERVICE)).json()["items"]
    assert made == [key | {"token": link_of(appointment).removeprefix("/visit/")}] * 2
    for links in ([], [key] * (MAX_LINKS + 1)):
        refused = await http.post("/internal/visit-links", json={"links": links}, headers=NOTIFICATION_SERVICE)
        assert refused.status_code == 422


async def test_the_list_of_changes_has_whole_events_in_pages(clinic: RunningClinic) -> None:
    http, url = clinic.service.http, "/internal/appointment-changes?from=2026-03-02T12:00:00Z&limit=1"
    one = await clinic.booked()
    clinic.service.clock.advance(timedelta(minutes=1))
    other = await clinic.booked(BO, starts_at=TEN.isoformat())
    await http.post(f"{link_of(one)}/confirm", headers=JSON)
    clinic.service.clock.advance(timedelta(minutes=1))
    await clinic.do(other, "cancel")
    await clinic.service.run_until_idle()
    first = (await http.get(url, headers=NOTIFICATION_SERVICE)).json()
    second = (await http.get(f"{url}&after={first['next']}", headers=NOTIFICATION_SERVICE)).json()
    ids = [item["appointment_id"] for page in (first, second) for item in page["items"]]
    assert (ids, second["next"]) == ([one["id"], other["id"]], None)
    booked, _, _, cancelled = clinic.service.published
    events = [[event["id"] for event in item["events"]] for page in (first, second) for item in page["items"]]
    assert events == [[str(booked.id)], [str(cancelled.id)]]
    assert first["items"][0]["events"][0] == booked.to_cloudevent("appointment-service") | {
        key: value for key, value in first["items"][0]["events"][0].items() if key == "traceparent"
    }
    assert (await http.get("/internal/appointment-changes", headers=NOTIFICATION_SERVICE)).status_code == 422
    bad = await http.get("/internal/appointment-changes?from=2026-03-02T12:00:00Z&after=x", headers=NOTIFICATION_SERVICE)
    assert bad.json()["code"] == "bad_cursor"
