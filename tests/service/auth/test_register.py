"""Registration creates both the account and the profile, or neither."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from shared.contracts.events import AccountChanged
from shared.contracts.identity import Service
from tests.running import problem_response
from tests.service.auth.running_auth import OTHER_PASSWORD, PASSWORD, SAM, RunningAuth, run_auth_service, status_and_code


async def test_a_registration_signs_in_and_creates_the_profile(auth: RunningAuth) -> None:
    response = await auth.post("/auth/register", SAM | {"phone": "+49 30 1234", "time_zone": "Europe/Berlin", "locale": "de"})
    assert (response.status_code, response.headers["cache-control"]) == (201, "no-store")
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    account = body["account"]
    assert (account["email"], account["role"], account["status"]) == ("sam@example.com", "patient", "active")
    me = await auth.get_me(body["access_token"])
    assert (me.json(), me.headers["cache-control"]) == (account, "no-store")
    account = auth.patients.profiles[account["id"]]
    assert account | {"full_name": "Sam Lee", "phone": "+49 30 1234", "time_zone": "Europe/Berlin", "locale": "de"} == account
    assert [str(event.account_id) for event in await auth.list_events(AccountChanged) if event.role == "patient"] == [account["id"]]


async def test_a_person_who_gives_no_time_zone_gets_none(auth: RunningAuth) -> None:
    """The profile is created without a zone, so that patient-service shows that of the clinic."""
    account = (await auth.post("/auth/register", SAM)).json()["account"]
    assert "time_zone" not in auth.patients.requests[-1]
    contact = await auth.call_as(Service.NOTIFICATION, "GET", f"/internal/accounts/{account['id']}")
    assert contact.json()["time_zone"] is None
    rae = (await auth.create_account(time_zone="Asia/Tokyo")).json()["id"]
    assert (await auth.call_as(Service.NOTIFICATION, "GET", f"/internal/accounts/{rae}")).json()["time_zone"] == "Asia/Tokyo"


@pytest.mark.parametrize("email", ["sam@example.com", "Sam@Example.COM", "  sam@example.com "])
async def test_another_spelling_of_a_taken_email_address_is_refused(auth: RunningAuth, email: str) -> None:
    await auth.register()
    assert status_and_code(await auth.post("/auth/register", SAM | {"email": email, "password": OTHER_PASSWORD})) == (409, "email_taken")


@pytest.mark.parametrize("email", ["jörg@bücher.example", "jo\u0308rg@bu\u0308cher.example", "JÖRG@xn--bcher-kva.example"])
async def test_any_spelling_of_the_email_address_signs_in(auth: RunningAuth, email: str) -> None:
    await auth.register(email="jörg@bücher.example")
    assert (await auth.login(email)).status_code == 200


@pytest.mark.parametrize("password", ["elevenchars", "x" * 129, "passwordpassword", "sam.lee@example.com", "aaaaaaaaaaaa", "123456789012"])
async def test_a_weak_password_is_refused(auth: RunningAuth, password: str) -> None:
    response = await auth.post("/auth/register", SAM | {"email": "Sam.Lee@example.com", "password": password})
    assert status_and_code(response) == (422, "password_too_weak")
    assert response.json()["errors"][0]["pointer"] == "/password"
    assert password not in response.text


async def test_an_invalid_registration_is_refused(auth: RunningAuth) -> None:
    assert status_and_code(await auth.post("/auth/register", SAM | {"role": "admin"})) == (422, "validation_failed")
    assert status_and_code(await auth.post("/auth/register", SAM | {"email": "nobody"})) == (422, "not_an_email")
    assert (await auth.http.post("/auth/register", content=b"{")).status_code == 415
    assert (await auth.http.post("/auth/register", content=b"{", headers={"content-type": "application/json"})).status_code == 400


@pytest.mark.parametrize("name", ["Sam\nLee", "Sam Lee\r\n", "Sam\u2028Lee", "Sam \u202eLee", "\u200b", "   "])
async def test_a_name_is_one_line_that_shows_something(auth: RunningAuth, name: str) -> None:
    response = await auth.post("/auth/register", SAM | {"full_name": name})
    assert status_and_code(response) == (422, "control_character")
    assert response.json()["errors"][0]["pointer"] == "/full_name"
    assert auth.patients.profiles == {}


async def test_while_patient_service_is_down_a_registration_stays_invisible(auth: RunningAuth) -> None:
    auth.patients.is_down = True
    response = await auth.post("/auth/register", SAM)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert (await auth.login()).status_code == 503
    assert (await auth.call_as_admin("GET", "/internal/accounts?role=patient")).json()["items"] == []
    assert status_and_code(await auth.post("/auth/register", SAM | {"password": OTHER_PASSWORD})) == (409, "email_taken")


async def test_an_interrupted_registration_can_be_repeated(auth: RunningAuth) -> None:
    auth.patients.is_down = True
    await auth.post("/auth/register", SAM)
    auth.patients.is_down = False
    assert (await auth.register())["account"]["status"] == "active"
    assert len(auth.patients.profiles) == 1


async def test_a_login_completes_a_pending_account(auth: RunningAuth) -> None:
    auth.patients.is_down = True
    await auth.post("/auth/register", SAM)
    auth.patients.is_down = False
    assert (await auth.sign_in())["account"]["id"] in auth.patients.profiles


async def test_the_job_completes_pending_accounts(auth: RunningAuth) -> None:
    auth.patients.is_down = True
    for name in ("sam", "kim"):
        await auth.post("/auth/register", SAM | {"email": f"{name}@example.com"})
    auth.clock.advance(timedelta(seconds=61))
    await auth.service.run_until_idle()
    assert auth.patients.profiles == {}
    auth.patients.is_down = False
    await auth.service.run_until_idle()
    assert auth.patients.profiles == {}, "the next try is a minute later"
    auth.clock.advance(timedelta(seconds=61))
    await auth.service.run_until_idle()
    assert len(auth.patients.profiles) == 2
    assert {str(event.account_id) for event in await auth.list_events(AccountChanged)} >= set(auth.patients.profiles)


async def test_an_account_whose_profile_is_refused_does_not_stop_the_job(auth: RunningAuth) -> None:
    auth.patients.is_down = True
    await auth.post("/auth/register", SAM)
    auth.patients.is_down, auth.patients.refusal = False, httpx.Response(422, json={"code": "no"})
    auth.clock.advance(timedelta(seconds=61))
    await auth.service.run_until_idle()
    auth.patients.refusal = None
    assert (await auth.register(password=OTHER_PASSWORD))["account"]["status"] == "active"


async def test_accounts_that_keep_failing_do_not_hide_newer_ones(auth: RunningAuth) -> None:
    """The job takes fifty at once, and the profiles of sixty older ones fail."""
    auth.patients.is_down = True
    failing, newest = [str(uuid4()) for _ in range(60)], str(uuid4())
    for account_id in failing:
        await auth.create_account(account_id, role="patient", email=f"{account_id}@example.com")
    auth.clock.advance(timedelta(seconds=1))
    await auth.create_account(newest, role="patient", email="newest@example.com")
    auth.patients.is_down, auth.patients.failing = False, set(failing)
    auth.clock.advance(timedelta(seconds=61))
    for _ in range(2):
        await auth.service.run_until_idle()
    assert list(auth.patients.profiles) == [newest]


async def test_the_email_address_is_free_again_after_the_profile_was_refused(auth: RunningAuth) -> None:
    auth.patients.refusal = problem_response(422, "no")
    assert status_and_code(await auth.post("/auth/register", SAM)) == (422, "no")
    auth.patients.refusal = None
    await auth.register(password=OTHER_PASSWORD)


async def test_of_several_registrations_of_one_email_address_one_succeeds(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        requests = [SAM | {"password": f"the pass phrase of number {number}"} for number in range(8)]
        responses = await asyncio.gather(*(auth.post("/auth/register", request) for request in requests))
        assert sorted(response.status_code for response in responses) == [201] + [409] * 7
        assert len(auth.patients.profiles) == 1


async def test_no_response_contains_the_password(auth: RunningAuth) -> None:
    assert PASSWORD not in str(await auth.register())
    assert PASSWORD not in (await auth.post("/auth/register", SAM | {"email": 5})).text
