"""Too many wrong passwords delay further attempts, and the owner can still sign in."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from auth_svc.repository.tables import LOGIN_ATTEMPTS, SESSIONS
from auth_svc.usecases.accounts import Accounts
from shared.contracts.events import AccountLocked
from shared.kit.migrations import migrate
from tests.service.auth.running_auth import (
    FIRST_ADMIN,
    OTHER_PASSWORD,
    PASSWORD,
    SAM,
    SECRETS,
    RunningAuth,
    forwarded_for,
    run_auth_service,
    status_and_code,
)

HOME, ATTACKER, WRONG = "198.51.100.2", "203.0.113.7", "not the right pass phrase"
EMAIL = SAM["email"]


async def guess(auth: RunningAuth, times: int, email: str = EMAIL, address: str = ATTACKER) -> list[int]:
    """Try wrong passwords one after the other; return the statuses."""
    return [(await auth.login(email, f"{WRONG} {number}", address=address)).status_code for number in range(times)]


def database_of(auth: RunningAuth) -> Any:
    return auth.service.app.state.use_cases[Accounts].store.database


async def count_counters(auth: RunningAuth) -> int:
    async with database_of(auth).read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(LOGIN_ATTEMPTS)) or 0)


def database_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("auth_svc.db*"))


def comparable(response: httpx.Response) -> tuple[Any, ...]:
    """Return what a client sees of a response, without its request id."""
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    return response.status_code, headers, {**response.json(), "request_id": None}


async def test_the_eleventh_attempt_is_refused_even_with_the_right_password(auth: RunningAuth) -> None:
    await auth.register()
    assert await guess(auth, 11) == [401] * 10 + [429]
    refused = await auth.login(address=ATTACKER)
    assert status_and_code(refused) == (429, "too_many_attempts")
    assert (refused.headers["retry-after"], refused.json()["retry_after"]) == ("30", 30)
    auth.clock.advance(timedelta(seconds=30))
    assert (await auth.login(address=ATTACKER)).status_code == 200


async def test_the_delay_grows_and_ends(auth: RunningAuth) -> None:
    await auth.register()
    await guess(auth, 10)
    delays = []
    for _ in range(7):
        delays.append(int((await auth.login(address=ATTACKER)).headers["retry-after"]))
        auth.clock.advance(timedelta(seconds=delays[-1]))
        assert await guess(auth, 1) == [401]
    assert delays == [30, 60, 120, 240, 480, 900, 900]
    auth.clock.advance(timedelta(minutes=30))
    assert await guess(auth, 9) == [401] * 9
    assert (await auth.login(address=ATTACKER)).status_code == 200


async def test_an_account_that_does_not_exist_is_answered_alike(auth: RunningAuth) -> None:
    await auth.register()
    answers = []
    for email, address in ((EMAIL, ATTACKER), ("nobody@example.com", "203.0.113.8"), ("no address", "203.0.113.9")):
        answers.append([comparable(await auth.login(email, WRONG, address=address)) for _ in range(12)])
    assert answers[0] == answers[1] == answers[2]
    assert [answer[0] for answer in answers[0]] == [401] * 10 + [429] * 2


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
async def test_of_a_hundred_wrong_passwords_at_once_ten_are_verified(tmp_path: Path, second_folder: Path, sql_url: str, email: str) -> None:
    migrate("auth_svc", sql_url)
    async with AsyncExitStack() as stack:
        starts = [run_auth_service(folder, database_url=sql_url, migrated=False, hashing_queue=200) for folder in (tmp_path, second_folder)]
        instances = [await stack.enter_async_context(start) for start in starts]
        await instances[0].register()
        guesses = [instances[number % 2].login(email, f"{WRONG} {number}", address=f"203.0.113.{number}") for number in range(100)]
        statuses = [response.status_code for response in await asyncio.gather(*guesses)]
        assert sorted(statuses) == [401] * 10 + [429] * 90


async def test_of_many_wrong_passwords_for_many_accounts_from_one_address_fifty_are_verified(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url, hashing_queue=200) as auth:
        await auth.register()
        guesses = [auth.login(f"nobody{number}@example.com", WRONG, address=ATTACKER) for number in range(70)]
        statuses = [response.status_code for response in await asyncio.gather(*guesses)]
        assert (statuses.count(401), set(statuses)) == (50, {401, 429})
        assert status_and_code(await auth.login(address=ATTACKER)) == (429, "too_many_attempts")
        assert (await auth.login(address=HOME)).status_code == 200
        assert await auth.list_events(AccountLocked) == []


async def test_the_addresses_of_one_ipv6_network_count_as_one(auth: RunningAuth) -> None:
    statuses = [
        (await auth.login(f"nobody{number}@example.com", WRONG, address=f"2001:db8:1:2::{number:x}")).status_code for number in range(51)
    ]
    assert statuses == [401] * 50 + [429]
    assert (await auth.login("nobody@example.com", WRONG, address="2001:db8:1:3::1")).status_code == 401


async def test_the_owner_gets_in_from_an_address_with_a_session_while_others_guess(auth: RunningAuth) -> None:
    await auth.post("/auth/register", SAM, address=HOME)
    assert await guess(auth, 11) == [401] * 10 + [429]
    assert (await auth.login(address=HOME)).status_code == 200
    assert (await auth.login(address="198.51.100.3")).status_code == 429
    for address in (f"203.0.113.{number}" for number in range(100, 106)):
        await guess(auth, 10, "nobody@example.com", address)
    assert await guess(auth, 11, address=HOME) == [401] * 10 + [429], "a limit of its own"


async def test_a_session_vouches_for_the_address_of_its_last_refresh_and_not_after_its_end(auth: RunningAuth) -> None:
    session = (await auth.post("/auth/register", SAM, address="198.51.100.9")).json()
    await guess(auth, 11)
    renewed = (await auth.post("/auth/refresh", {"refresh_token": session["refresh_token"]}, address=HOME)).json()
    assert (await auth.login(address="198.51.100.9")).status_code == 429
    other = (await auth.login(address=HOME)).json()
    for tokens in (renewed, other):
        await auth.post("/auth/logout", {"refresh_token": tokens["refresh_token"]})
    assert (await auth.login(address=HOME)).status_code == 429


async def test_a_session_of_another_account_does_not_help(auth: RunningAuth) -> None:
    await auth.register()
    await auth.post("/auth/register", SAM | {"email": "mallory@example.com"}, address=ATTACKER)
    assert await guess(auth, 11) == [401] * 10 + [429]


async def test_a_new_password_by_mail_ends_the_delay(auth: RunningAuth) -> None:
    await auth.post("/auth/register", SAM, address=HOME)
    await guess(auth, 10)
    await guess(auth, 10, address=HOME)
    await auth.post("/auth/password/forgot", {"email": EMAIL})
    token = await auth.mailed_token()
    assert (await auth.post("/auth/password/reset", {"token": token, "new_password": OTHER_PASSWORD})).status_code == 204
    assert (await auth.login(password=OTHER_PASSWORD, address=HOME)).status_code == 200
    assert (await auth.login(password=OTHER_PASSWORD, address="198.51.100.3")).status_code == 200


async def test_the_owner_is_told_once_per_lock(auth: RunningAuth) -> None:
    account = (await auth.register())["account"]["id"]
    await guess(auth, 12)
    auth.clock.advance(timedelta(seconds=30))
    await guess(auth, 2)
    locked = await auth.list_events(AccountLocked)
    assert [str(event.account_id) for event in locked] == [account]
    assert set(locked[0].model_dump()) == {"id", "occurred_at", "account_id"}
    await guess(auth, 12, "nobody@example.com", HOME)
    auth.clock.advance(timedelta(minutes=40))
    await guess(auth, 12)
    assert len(await auth.list_events(AccountLocked)) == 2


async def test_right_passwords_are_not_counted(auth: RunningAuth) -> None:
    await auth.register()
    for number in range(12):
        assert (await auth.login(address=f"198.51.100.{number}")).status_code == 200
    assert await count_counters(auth) == 0


async def test_the_right_password_of_a_disabled_account_counts_as_a_wrong_one(auth: RunningAuth) -> None:
    account = (await auth.register())["account"]["id"]
    await auth.change_account(account, status="disabled")
    assert [(await auth.login(address=ATTACKER)).status_code for _ in range(11)] == [401] * 10 + [429]


async def test_a_stolen_token_does_not_help_to_guess_the_password(auth: RunningAuth) -> None:
    token = (await auth.register())["access_token"]
    responses = [
        await auth.post("/auth/password", {"current_password": f"{WRONG} {n}", "new_password": OTHER_PASSWORD}, token, address=ATTACKER)
        for n in range(11)
    ]
    assert [response.status_code for response in responses] == [401] * 10 + [429]
    assert status_and_code(responses[-1]) == (429, "too_many_attempts")
    assert (await auth.login(address=ATTACKER)).status_code == 429, "a login counts with it"


async def test_the_password_of_a_pending_account_cannot_be_guessed_by_registering(auth: RunningAuth) -> None:
    auth.patients.is_down = True
    await auth.post("/auth/register", SAM)
    statuses = [(await auth.post("/auth/register", SAM | {"password": f"{WRONG} {n}"}, address=ATTACKER)).status_code for n in range(11)]
    assert statuses == [409] * 10 + [429]


async def test_the_token_endpoint_counts_with_the_login_and_answers_as_oauth_does(auth: RunningAuth) -> None:
    await auth.register()
    form = {"grant_type": "password", "username": EMAIL, "password": WRONG}
    headers = forwarded_for(ATTACKER)
    responses = [await auth.http.post("/auth/token", data=form, headers=headers) for _ in range(10)]
    assert {(response.status_code, response.text) for response in responses} == {(400, '{"error":"invalid_grant"}')}
    refused = await auth.http.post("/auth/token", data=form | {"password": PASSWORD}, headers=headers)
    assert (refused.status_code, refused.json()) == (429, {"error": "temporarily_unavailable"})
    assert (refused.headers["retry-after"], refused.headers["cache-control"]) == ("30", "no-store")
    assert (await auth.login(address=ATTACKER)).status_code == 429


async def test_a_client_secret_cannot_be_guessed_and_the_service_itself_is_not_locked_out(auth: RunningAuth) -> None:
    def form(secret: str) -> dict[str, str]:
        return {"grant_type": "client_credentials", "client_id": "admin-service", "client_secret": secret}

    right = SECRETS["admin_client_secret"]
    statuses = [
        (await auth.http.post("/auth/token", data=form(secret), headers=forwarded_for(ATTACKER))).status_code
        for secret in [*[WRONG] * 10, right]
    ]
    assert statuses == [401] * 10 + [429]
    assert (await auth.http.post("/auth/token", data=form(right), headers=forwarded_for(HOME))).status_code == 200
    assert (await auth.http.post("/auth/token", data=form(right))).status_code == 200


async def test_the_database_contains_no_address(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path) as auth:
        await auth.post("/auth/register", SAM, address=HOME)
        await guess(auth, 3, "unknown.person@example.com")
        stored = database_bytes(tmp_path)
        assert [text for text in (HOME, ATTACKER, "unknown.person") if text.encode() in stored] == []


async def test_counters_that_count_nothing_any_more_are_deleted(auth: RunningAuth) -> None:
    for number in range(20):
        await guess(auth, 1, f"nobody{number}@example.com")
    assert await count_counters(auth) == 21
    auth.clock.advance(timedelta(minutes=15, seconds=1))
    await auth.service.run_until_idle()
    assert await count_counters(auth) == 0


async def test_an_account_has_at_most_a_hundred_sessions(auth: RunningAuth) -> None:
    from auth_svc.usecases.sessions import Sessions

    first = await auth.register()
    sessions: Sessions = auth.service.app.state.use_cases[Sessions]
    account = await sessions.store.find_account_by_email(EMAIL)
    assert account is not None
    for number in range(104):
        auth.clock.advance(timedelta(seconds=1))
        await sessions.start(account, f"198.51.100.{number}")
    async with database_of(auth).read() as connection:
        live = await connection.scalar(
            select(func.count()).select_from(SESSIONS).where(SESSIONS.c.account_id == account.id, SESSIONS.c.ended_at.is_(None))
        )
    assert live == 100
    assert (await auth.get_me(first["access_token"])).status_code == 401, "the one that was not used for the longest time has ended"
    assert (await auth.sign_in(**FIRST_ADMIN))["account"]["role"] == "admin"
