"""Registering: an account and its profile, or neither."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from shared.contracts.events import AccountChanged
from tests.service.auth.house import OTHER, PASSWORD, SAM, House, code, opened


async def test_who_registers_is_signed_in_and_has_a_profile(house: House) -> None:
    answer = await house.post("/auth/register", SAM | {"phone": "+49 30 1234", "time_zone": "Europe/Berlin", "locale": "de"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    said = answer.json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 600)
    account = said["account"]
    assert (account["email"], account["role"], account["status"]) == ("sam@example.com", "patient", "active")
    me = await house.me(said["access_token"])
    assert (me.json(), me.headers["cache-control"]) == (account, "no-store")
    card = house.profiles.cards[account["id"]]
    assert card | {"full_name": "Sam Lee", "phone": "+49 30 1234", "time_zone": "Europe/Berlin", "locale": "de"} == card
    assert [str(event.account_id) for event in await house.published(AccountChanged) if event.role == "patient"] == [account["id"]]


@pytest.mark.parametrize("email", ["sam@example.com", "Sam@Example.COM", "  sam@example.com "])
async def test_an_address_is_taken_however_it_is_written(house: House, email: str) -> None:
    await house.register()
    assert code(await house.post("/auth/register", SAM | {"email": email, "password": OTHER})) == (409, "email_taken")


@pytest.mark.parametrize("email", ["jörg@bücher.example", "jo\u0308rg@bu\u0308cher.example", "JÖRG@xn--bcher-kva.example"])
async def test_one_signs_in_however_the_address_is_written(house: House, email: str) -> None:
    await house.register(email="jörg@bücher.example")
    assert (await house.login(email)).status_code == 200


@pytest.mark.parametrize("password", ["elevenchars", "x" * 129, "passwordpassword", "sam.lee@example.com", "aaaaaaaaaaaa", "123456789012"])
async def test_a_weak_password_is_refused(house: House, password: str) -> None:
    answer = await house.post("/auth/register", SAM | {"email": "Sam.Lee@example.com", "password": password})
    assert code(answer) == (422, "password_too_weak")
    assert answer.json()["errors"][0]["pointer"] == "/password"
    assert password not in answer.text


async def test_what_is_not_asked_for_is_refused(house: House) -> None:
    assert code(await house.post("/auth/register", SAM | {"role": "admin"})) == (422, "validation_failed")
    assert code(await house.post("/auth/register", SAM | {"email": "nobody"})) == (422, "not_an_email")
    assert (await house.http.post("/auth/register", content=b"{")).status_code == 415
    assert (await house.http.post("/auth/register", content=b"{", headers={"content-type": "application/json"})).status_code == 400


async def test_without_patient_service_nobody_is_half_registered(house: House) -> None:
    house.profiles.down = True
    refused = await house.post("/auth/register", SAM)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert (await house.login()).status_code == 503
    assert (await house.admin_asks("GET", "/internal/accounts?role=patient")).json()["items"] == []
    assert code(await house.post("/auth/register", SAM | {"password": OTHER})) == (409, "email_taken")


async def test_who_was_interrupted_may_register_again(house: House) -> None:
    house.profiles.down = True
    await house.post("/auth/register", SAM)
    house.profiles.down = False
    assert (await house.register())["account"]["status"] == "active"
    assert len(house.profiles.cards) == 1


async def test_a_pending_account_is_finished_when_its_owner_signs_in(house: House) -> None:
    house.profiles.down = True
    await house.post("/auth/register", SAM)
    house.profiles.down = False
    assert (await house.signed_in())["account"]["id"] in house.profiles.cards


async def test_the_job_finishes_what_was_left_pending(house: House) -> None:
    house.profiles.down = True
    for name in ("sam", "kim"):
        await house.post("/auth/register", SAM | {"email": f"{name}@example.com"})
    house.clock.advance(timedelta(seconds=61))
    await house.here.run_until_idle()
    assert house.profiles.cards == {}
    house.profiles.down = False
    await house.here.run_until_idle()
    assert len(house.profiles.cards) == 2
    assert {str(event.account_id) for event in await house.published(AccountChanged)} >= set(house.profiles.cards)


async def test_one_who_cannot_be_finished_does_not_hold_up_the_others(house: House) -> None:
    house.profiles.down = True
    await house.post("/auth/register", SAM)
    house.profiles.down, house.profiles.refuses = False, httpx.Response(422, json={"code": "no"})
    house.clock.advance(timedelta(seconds=61))
    await house.here.run_until_idle()
    house.profiles.refuses = None
    assert (await house.register(password=OTHER))["account"]["status"] == "active"


async def test_a_refused_profile_leaves_the_address_free(house: House) -> None:
    house.profiles.refuses = httpx.Response(422, json={"code": "no"}, headers={"content-type": "application/problem+json"})
    assert code(await house.post("/auth/register", SAM)) == (422, "no")
    house.profiles.refuses = None
    await house.register(password=OTHER)


async def test_one_of_many_who_race_for_an_address_has_it(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        wishes = [SAM | {"password": f"the pass phrase of number {number}"} for number in range(8)]
        answers = await asyncio.gather(*(house.post("/auth/register", wish) for wish in wishes))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        assert len(house.profiles.cards) == 1


async def test_a_password_is_known_by_none_of_its_answers(house: House) -> None:
    assert PASSWORD not in str(await house.register())
    assert PASSWORD not in (await house.post("/auth/register", SAM | {"email": 5})).text
