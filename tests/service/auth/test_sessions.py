"""Signing in, staying signed in, signing out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from shared.contracts.events import SessionEnded
from shared.contracts.identity import Service
from tests.service.auth.running_auth import (
    FIRST_ADMIN,
    OTHER_PASSWORD,
    PASSWORD,
    SAM,
    RunningAuth,
    bearer,
    run_auth_service,
    status_and_code,
)


def database_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("auth_svc.db*"))


async def refresh(auth: RunningAuth, token: str) -> tuple[int, str | None]:
    response = await auth.post("/auth/refresh", {"refresh_token": token})
    return response.status_code, response.json().get("code")


async def test_a_login_answers_with_tokens_and_the_account(auth: RunningAuth) -> None:
    registered = await auth.register()
    response = await auth.login()
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert set(response.json()) == {"access_token", "token_type", "expires_in", "refresh_token", "account"}
    assert response.json()["account"] == registered["account"]
    assert (await auth.get_me(response.json()["access_token"])).status_code == 200


async def test_all_failed_logins_are_answered_alike(auth: RunningAuth) -> None:
    await auth.register()
    disabled = (await auth.register(email="dana@example.com"))["account"]["id"]
    await auth.change_account(disabled, status="disabled")
    await auth.create_account(email="invited@example.com")
    attempts = [
        ("sam@example.com", OTHER_PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("no address at all", PASSWORD),
        ("dana@example.com", PASSWORD),
        ("invited@example.com", PASSWORD),
        ("sam@example.com", PASSWORD * 6),
    ]
    responses = [await auth.login(*credentials) for credentials in attempts]
    assert {response.status_code for response in responses} == {401}
    assert {response.headers["www-authenticate"] for response in responses} == {"Bearer"}
    assert len({str({**response.json(), "request_id": None}) for response in responses}) == 1
    assert responses[0].json()["code"] == "invalid_credentials"


async def test_a_password_works_in_any_unicode_form(auth: RunningAuth) -> None:
    await auth.register(password="grüße aus würzburg")
    assert (await auth.login(password="gru\u0308ße aus wu\u0308rzburg")).status_code == 200


async def test_an_access_token_is_valid_for_ten_minutes(auth: RunningAuth) -> None:
    token = (await auth.register())["access_token"]
    auth.clock.advance(timedelta(minutes=9, seconds=59))
    assert (await auth.get_me(token)).status_code == 200
    auth.clock.advance(timedelta(seconds=6))
    assert status_and_code(await auth.get_me(token)) == (401, "invalid_token")


async def test_a_refresh_answers_with_new_tokens_of_the_same_session(auth: RunningAuth) -> None:
    first = await auth.register()
    response = await auth.post("/auth/refresh", {"refresh_token": first["refresh_token"]})
    second = response.json()
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert second["account"] == first["account"]
    assert second["refresh_token"] != first["refresh_token"]
    assert (await auth.get_me(second["access_token"])).status_code == 200
    assert (await refresh(auth, second["refresh_token"]))[0] == 200


async def test_a_refresh_token_that_is_used_twice_ends_its_session_only(auth: RunningAuth) -> None:
    first, other_session = await auth.register(), await auth.sign_in()
    second = (await auth.post("/auth/refresh", {"refresh_token": first["refresh_token"]})).json()
    assert await refresh(auth, first["refresh_token"]) == (401, "token_reused")
    assert (await refresh(auth, second["refresh_token"]))[0] == 401
    assert status_and_code(await auth.get_me(second["access_token"])) == (401, "invalid_token")
    assert len(await auth.list_events(SessionEnded)) == 1
    assert (await auth.get_me(other_session["access_token"])).status_code == 200
    assert (await refresh(auth, other_session["refresh_token"]))[0] == 200


async def test_of_several_refreshes_with_one_token_at_once_one_succeeds_and_the_session_ends(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        token = (await auth.register())["refresh_token"]
        responses = await asyncio.gather(*(auth.post("/auth/refresh", {"refresh_token": token}) for _ in range(6)))
        assert sorted(response.status_code for response in responses) == [200] + [401] * 5
        successful = next(response.json() for response in responses if response.status_code == 200)
        assert (await refresh(auth, successful["refresh_token"]))[0] == 401
        assert len(await auth.list_events(SessionEnded)) == 1


@pytest.mark.parametrize("token", ["x", "ü" * 100, "a.b.c"])
async def test_an_unknown_refresh_token_is_refused(auth: RunningAuth, token: str) -> None:
    assert await refresh(auth, token) == (401, "invalid_refresh_token")


async def test_an_unused_session_expires_after_thirty_days(auth: RunningAuth) -> None:
    session, other_session = await auth.register(), await auth.sign_in()
    auth.clock.advance(timedelta(days=29, hours=23))
    assert (await refresh(auth, session["refresh_token"]))[0] == 200
    auth.clock.advance(timedelta(hours=1))
    assert await refresh(auth, other_session["refresh_token"]) == (401, "invalid_refresh_token")


async def test_expired_sessions_are_deleted(auth: RunningAuth) -> None:
    session = await auth.register()
    auth.clock.advance(timedelta(days=32))
    await auth.service.run_until_idle()
    assert await refresh(auth, session["refresh_token"]) == (401, "invalid_refresh_token")
    assert (await auth.login()).status_code == 200


async def test_a_logout_ends_one_session_at_once(auth: RunningAuth) -> None:
    session, other_session = await auth.register(), await auth.sign_in()
    for _ in range(2):
        assert (await auth.post("/auth/logout", {"refresh_token": session["refresh_token"]})).status_code == 204
    assert status_and_code(await auth.get_me(session["access_token"])) == (401, "invalid_token")
    assert await refresh(auth, session["refresh_token"]) == (401, "invalid_refresh_token")
    assert (await auth.get_me(other_session["access_token"])).status_code == 200
    ended = await auth.list_events(SessionEnded)
    assert [str(event.account_id) for event in ended] == [session["account"]["id"]]
    assert (await auth.post("/auth/logout", {"refresh_token": "never seen"})).status_code == 204


async def test_a_logout_of_all_devices_ends_all_sessions_of_the_caller_only(auth: RunningAuth) -> None:
    admin = await auth.sign_in(**FIRST_ADMIN)
    session, other_session = await auth.register(), await auth.sign_in()
    assert status_and_code(await auth.post("/auth/logout-all")) == (401, "unauthenticated")
    assert (await auth.post("/auth/logout-all", token=session["access_token"])).status_code == 204
    for ended_session in (session, other_session):
        assert (await auth.get_me(ended_session["access_token"])).status_code == 401
        assert (await refresh(auth, ended_session["refresh_token"]))[0] == 401
    assert (await auth.get_me(admin["access_token"])).status_code == 200


async def test_ended_sessions_are_listed_until_their_tokens_have_expired(auth: RunningAuth) -> None:
    session = await auth.register()
    await auth.post("/auth/logout", {"refresh_token": session["refresh_token"]})
    event = (await auth.list_events(SessionEnded))[0]
    listed = await auth.call_as(Service.SCHEDULING, "GET", "/internal/ended-sessions")
    item = {"session_id": str(event.session_id), "expires_at": "2026-03-02T12:11:00Z", "number": 1}
    assert listed.json() == {"items": [item], "last_number": 1}
    auth.clock.advance(timedelta(minutes=11, seconds=1))
    assert (await auth.call_as(Service.SCHEDULING, "GET", "/internal/ended-sessions")).json() == {"items": [], "last_number": 1}


async def test_an_ended_session_stays_ended_after_a_restart(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path) as auth:
        session, other_session = await auth.register(), await auth.sign_in()
        await auth.post("/auth/logout", {"refresh_token": session["refresh_token"]})
    async with run_auth_service(tmp_path, auth.patients) as auth:
        assert (await auth.get_me(session["access_token"])).status_code == 401
        assert (await auth.get_me(other_session["access_token"])).status_code == 200


async def test_a_session_that_one_instance_ends_is_refused_by_another_instance(tmp_path: Path, second_folder: Path, sql_url: str) -> None:
    async with (
        run_auth_service(tmp_path, database_url=sql_url) as first_instance,
        run_auth_service(second_folder, first_instance.patients, database_url=sql_url, migrated=False) as second_instance,
    ):
        session = await first_instance.register()
        assert (await second_instance.get_me(session["access_token"])).status_code == 200
        await first_instance.post("/auth/logout", {"refresh_token": session["refresh_token"]})
        await second_instance.service.run_until_idle()
        assert (await second_instance.get_me(session["access_token"])).status_code == 401


async def test_an_account_can_sign_in_many_times_at_once(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        await auth.register()
        responses = await asyncio.gather(*(auth.login() for _ in range(12)))
        assert {response.status_code for response in responses} == {200}
        assert len({response.json()["refresh_token"] for response in responses}) == 12


async def test_too_many_logins_at_once_are_answered_with_503(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path, hashing_threads=1, hashing_queue=1) as auth:
        responses: list[httpx.Response] = []
        while not any(response.status_code == 503 for response in responses):  # on a busy machine they may come one after another
            responses += await asyncio.gather(*(auth.login("nobody@example.com") for _ in range(8)))
            assert len(responses) <= 400
        assert {response.status_code for response in responses} <= {401, 503}
        busy = next(response for response in responses if response.status_code == 503)
        assert busy.headers["retry-after"] == "2"
        assert (await auth.login("nobody@example.com")).status_code == 401


async def test_a_login_rehashes_a_password_with_outdated_parameters(auth: RunningAuth) -> None:
    from argon2 import PasswordHasher
    from sqlalchemy import select, update

    from auth_svc.repository.tables import ACCOUNTS
    from auth_svc.usecases.accounts import Accounts

    await auth.register()
    database = auth.service.app.state.use_cases[Accounts].store.database
    is_sam = ACCOUNTS.c.email == SAM["email"]
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    async with database.write() as connection:
        await connection.execute(update(ACCOUNTS).where(is_sam).values(password_hash=old))
    before = await auth.sign_in()
    async with database.read() as connection:
        now = await connection.scalar(select(ACCOUNTS.c.password_hash).where(is_sam))
    assert now.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await auth.sign_in())["account"] == before["account"]


async def test_tokens_and_passwords_are_not_stored_in_plain_text(auth: RunningAuth, tmp_path: Path) -> None:
    session = await auth.register()
    assert (await auth.http.get("/auth/me", headers=bearer(session["access_token"]))).status_code == 200
    stored = database_bytes(tmp_path)
    assert SAM["email"].encode() in stored
    for secret in (session["refresh_token"], session["access_token"], PASSWORD, "PRIVATE KEY"):
        assert secret.encode() not in stored


async def test_disabling_an_account_during_refreshes_ends_all_sessions(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        account = (await auth.register())["account"]["id"]
        refresh_tokens = [(await auth.sign_in())["refresh_token"] for _ in range(8)]
        by_form = [auth.request_token(grant_type="refresh_token", refresh_token=token) for token in refresh_tokens[:4]]
        by_json = [auth.post("/auth/refresh", {"refresh_token": token}) for token in refresh_tokens[4:]]
        *responses, disabled_account = await asyncio.gather(*by_form, *by_json, auth.change_account(account, status="disabled"))
        assert disabled_account.status_code == 200
        assert {response.status_code for response in responses} <= {200, 400, 401}
        for pair in (response.json() for response in responses if response.status_code == 200):
            assert (await auth.get_me(pair["access_token"])).status_code == 401
            assert (await refresh(auth, pair["refresh_token"]))[0] == 401
