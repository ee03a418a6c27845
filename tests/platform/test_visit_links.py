"""The links in mails through the gateway, in each way of running the platform."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.platform.accounts import (
    User,
    book,
    create_doctor,
    create_service_type,
    list_slots,
    register_patient,
    sign_in_admin,
    wait_for_mails,
)
from tests.platform.houses import Platform

JSON, BROWSER = {"Accept": "application/json"}, {"Accept": "text/html"}


@pytest.fixture
def booking(platform: Platform) -> tuple[User, dict[str, Any], dict[str, Any], list[str]]:
    """A patient, the service type, the appointment, and the starts of free times."""
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), register_patient(platform)
    starts = [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]
    return patient, service, book(patient, service, doctor, starts[20], reason="a secret reason"), starts


def link_in(platform: Platform, mail: dict[str, Any]) -> str:
    """Return the address of the link in a mail, at the gateway of the platform."""
    (token,) = set(re.findall(r"/visit/([A-Za-z0-9_-]{43})", mail["text"] + mail["html"]))
    return f"{platform.url}/visit/{token}"


def test_a_patient_confirms_and_cancels_by_the_link_of_the_mail(
    platform: Platform, booking: tuple[User, dict[str, Any], dict[str, Any], list[str]]
) -> None:
    patient, _, appointment, starts = booking
    path = f"/appointments/{appointment['id']}"
    mails = wait_for_mails(platform, patient.account["email"], 1)
    link = link_in(platform, mails[0])

    page = httpx.get(link, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert not [text for text in ("a secret reason", patient.account["full_name"], appointment["service"]["name"]) if text in page.text]
    for method in ("HEAD", "GET", "OPTIONS"):
        httpx.request(method, link)
        httpx.request(method, f"{link}/cancel")
    assert patient.request("GET", path)["version"] == appointment["version"]

    confirmed = httpx.post(f"{link}/confirm", headers=JSON).json()
    assert confirmed["confirmed_at"]
    assert httpx.post(f"{link}/confirm", headers=JSON).json() == confirmed
    assert patient.request("GET", path)["confirmed_at"] == confirmed["confirmed_at"]
    moved = patient.request("POST", f"{path}/reschedule", {"starts_at": starts[30]})
    assert moved["confirmed_at"] is None
    mails = wait_for_mails(platform, patient.account["email"], 2)
    assert link_in(platform, mails[1]) == link
    assert httpx.get(link, headers=JSON).json()["starts_at"] == starts[30]

    form = httpx.post(f"{link}/cancel", headers=BROWSER | {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"})
    assert (form.status_code, form.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert patient.request("GET", path)["status"] == "cancelled"
    gone = httpx.get(link, headers=JSON)
    assert (gone.status_code, gone.json()["code"]) == (410, "link_expired")
    assert httpx.get(link, headers=BROWSER).headers["content-type"] == "text/html; charset=utf-8"
    mails = wait_for_mails(platform, patient.account["email"], 3)
    assert "/visit/" not in mails[2]["text"] + mails[2]["html"]
    assert len(mails) == 3, "a confirmation sends no mail"


def test_links_are_not_in_the_mails_of_doctors_and_guesses_are_unknown(
    platform: Platform, booking: tuple[User, dict[str, Any], dict[str, Any], list[str]]
) -> None:
    _, _, appointment, _ = booking
    for token in (uuid4().hex, "A" * 43, appointment["id"]):
        response = httpx.get(f"{platform.url}/visit/{token}", headers=JSON)
        assert (response.status_code, response.json()["code"]) == (404, "no_such_link")
        assert '"visit-link";r=' in response.headers["ratelimit"]
    doctors_mails = [mail for mail in platform.mails() if "@doctors" in mail["to"]]
    assert not [mail for mail in doctors_mails if "/visit/" in mail["text"] + mail["html"]]


@pytest.mark.parametrize("path", ["visit", "unsubscribe"])
def test_browsers_may_use_the_style_of_pages_behind_the_gateway_and_nothing_else(platform: Platform, path: str) -> None:
    page = httpx.get(f"{platform.url}/{path}/{'A' * 43}", headers=BROWSER)
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = page.headers.get_list("content-security-policy")
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    problem = httpx.get(f"{platform.url}/{path}/{'A' * 43}", headers=JSON)
    assert problem.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]
