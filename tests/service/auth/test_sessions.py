"""Signing in, staying signed in, signing out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from shared.contracts.events import SessionEnded
from shared.contracts.identity import Service
from tests.service.auth.house import BOSS, OTHER, PASSWORD, SAM, House, bearer, code, opened


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("auth_svc.db*"))


async def refreshed(house: House, token: str) -> tuple[int, str | None]:
    answer = await house.post("/auth/refresh", {"refresh_token": token})
    return answer.status_code, answer.json().get("code")


async def test_a_login_answers_with_tokens_and_the_account(house: House) -> None:
    registered = await house.register()
    answer = await house.login()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "refresh_token", "account"}
    assert answer.json()["account"] == registered["account"]
    assert (await house.me(answer.json()["access_token"])).status_code == 200


async def test_nobody_learns_why_a_login_failed(house: House) -> None:
    await house.register()
    disabled = (await house.register(email="dana@example.com"))["account"]["id"]
    await house.amend(disabled, status="disabled")
    await house.put(email="invited@example.com")
    tries = [
        ("sam@example.com", OTHER),
        ("nobody@example.com", PASSWORD),
        ("no address at all", PASSWORD),
        ("dana@example.com", PASSWORD),
        ("invited@example.com", PASSWORD),
        ("sam@example.com", PASSWORD * 6),
    ]
    answers = [await house.login(*one) for one in tries]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert len({str({**answer.json(), "request_id": None}) for answer in answers}) == 1
    assert answers[0].json()["code"] == "invalid_credentials"


async def test_a_password_works_in_any_unicode_form(house: House) -> None:
    await house.register(password="grüße aus würzburg")
    assert (await house.login(password="gru\u0308ße aus wu\u0308rzburg")).status_code == 200


async def test_an_access_token_lives_ten_minutes(house: House) -> None:
    token = (await house.register())["access_token"]
    house.clock.advance(timedelta(minutes=9, seconds=59))
    assert (await house.me(token)).status_code == 200
    house.clock.advance(timedelta(seconds=6))
    assert code(await house.me(token)) == (401, "invalid_token")


async def test_a_refresh_gives_a_new_pair_of_the_same_session(house: House) -> None:
    first = await house.register()
    answer = await house.post("/auth/refresh", {"refresh_token": first["refresh_token"]})
    second = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert second["account"] == first["account"]
    assert second["refresh_token"] != first["refresh_token"]
    assert (await house.me(second["access_token"])).status_code == 200
    assert (await refreshed(house, second["refresh_token"]))[0] == 200


async def test_a_reused_refresh_token_ends_its_session_and_no_other(house: House) -> None:
    first, other = await house.register(), await house.signed_in()
    second = (await house.post("/auth/refresh", {"refresh_token": first["refresh_token"]})).json()
    assert await refreshed(house, first["refresh_token"]) == (401, "token_reused")
    assert (await refreshed(house, second["refresh_token"]))[0] == 401
    assert code(await house.me(second["access_token"])) == (401, "invalid_token")
    assert len(await house.published(SessionEnded)) == 1
    assert (await house.me(other["access_token"])).status_code == 200
    assert (await refreshed(house, other["refresh_token"]))[0] == 200


async def test_of_two_who_bring_one_token_at_once_one_is_a_thief(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        token = (await house.register())["refresh_token"]
        answers = await asyncio.gather(*(house.post("/auth/refresh", {"refresh_token": token}) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        assert (await refreshed(house, won["refresh_token"]))[0] == 401
        assert len(await house.published(SessionEnded)) == 1


@pytest.mark.parametrize("token", ["x", "ü" * 100, "a.b.c"])
async def test_an_unknown_refresh_token_is_refused(house: House, token: str) -> None:
    assert await refreshed(house, token) == (401, "invalid_refresh_token")


async def test_a_session_that_is_not_used_lasts_thirty_days(house: House) -> None:
    one, other = await house.register(), await house.signed_in()
    house.clock.advance(timedelta(days=29, hours=23))
    assert (await refreshed(house, one["refresh_token"]))[0] == 200
    house.clock.advance(timedelta(hours=1))
    assert await refreshed(house, other["refresh_token"]) == (401, "invalid_refresh_token")


async def test_what_ended_long_ago_is_forgotten(house: House) -> None:
    one = await house.register()
    house.clock.advance(timedelta(days=32))
    await house.here.run_until_idle()
    assert await refreshed(house, one["refresh_token"]) == (401, "invalid_refresh_token")
    assert (await house.login()).status_code == 200


async def test_a_logout_ends_one_session_everywhere_and_at_once(house: House) -> None:
    one, other = await house.register(), await house.signed_in()
    for _ in range(2):
        assert (await house.post("/auth/logout", {"refresh_token": one["refresh_token"]})).status_code == 204
    assert code(await house.me(one["access_token"])) == (401, "invalid_token")
    assert await refreshed(house, one["refresh_token"]) == (401, "invalid_refresh_token")
    assert (await house.me(other["access_token"])).status_code == 200
    ended = await house.published(SessionEnded)
    assert [str(event.account_id) for event in ended] == [one["account"]["id"]]
    assert (await house.post("/auth/logout", {"refresh_token": "never seen"})).status_code == 204


async def test_a_logout_everywhere_ends_all_sessions_of_the_caller_only(house: House) -> None:
    boss = await house.signed_in(**BOSS)
    one, other = await house.register(), await house.signed_in()
    assert code(await house.post("/auth/logout-all")) == (401, "unauthenticated")
    assert (await house.post("/auth/logout-all", token=one["access_token"])).status_code == 204
    for session in (one, other):
        assert (await house.me(session["access_token"])).status_code == 401
        assert (await refreshed(house, session["refresh_token"]))[0] == 401
    assert (await house.me(boss["access_token"])).status_code == 200


async def test_ended_sessions_are_listed_while_their_tokens_may_live(house: House) -> None:
    one = await house.register()
    await house.post("/auth/logout", {"refresh_token": one["refresh_token"]})
    event = (await house.published(SessionEnded))[0]
    listed = await house.ask(Service.SCHEDULING, "GET", "/internal/ended-sessions")
    assert listed.json() == {"items": [{"session_id": str(event.session_id), "expires_at": "2026-03-02T12:11:00Z"}]}
    house.clock.advance(timedelta(minutes=11, seconds=1))
    assert (await house.ask(Service.SCHEDULING, "GET", "/internal/ended-sessions")).json() == {"items": []}


async def test_an_ended_session_stays_ended_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        one, other = await house.register(), await house.signed_in()
        await house.post("/auth/logout", {"refresh_token": one["refresh_token"]})
    async with opened(tmp_path, house.profiles) as house:
        assert (await house.me(one["access_token"])).status_code == 401
        assert (await house.me(other["access_token"])).status_code == 200


async def test_a_session_that_one_instance_ends_is_refused_by_the_other(tmp_path: Path, instance: Path, sql_url: str) -> None:
    async with (
        opened(tmp_path, database_url=sql_url) as one,
        opened(instance, one.profiles, database_url=sql_url, migrated=False) as other,
    ):
        session = await one.register()
        assert (await other.me(session["access_token"])).status_code == 200
        await one.post("/auth/logout", {"refresh_token": session["refresh_token"]})
        await other.here.run_until_idle()
        assert (await other.me(session["access_token"])).status_code == 401


async def test_one_account_can_sign_in_many_times_at_once(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        await house.register()
        answers = await asyncio.gather(*(house.login() for _ in range(12)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 12


async def test_too_many_at_once_are_asked_to_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path, hashing_threads=1, hashing_queue=1) as house:
        answers = await asyncio.gather(*(house.login("nobody@example.com") for _ in range(8)))
        assert sorted({answer.status_code for answer in answers}) == [401, 503]
        busy = next(answer for answer in answers if answer.status_code == 503)
        assert busy.headers["retry-after"] == "2"
        assert (await house.login("nobody@example.com")).status_code == 401


async def test_passwords_move_to_newer_parameters_when_their_owner_signs_in(house: House) -> None:
    from argon2 import PasswordHasher
    from sqlalchemy import select, update

    from auth_svc.repository.tables import ACCOUNTS

    await house.register()
    database = house.here.app.state.accounts.store.database
    mine = ACCOUNTS.c.email == SAM["email"]
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    async with database.write() as connection:
        await connection.execute(update(ACCOUNTS).where(mine).values(password_hash=old))
    before = await house.signed_in()
    async with database.read() as connection:
        now = await connection.scalar(select(ACCOUNTS.c.password_hash).where(mine))
    assert now.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await house.signed_in())["account"] == before["account"]


async def test_tokens_are_not_kept_as_they_are(house: House, tmp_path: Path) -> None:
    one = await house.register()
    assert (await house.http.get("/auth/me", headers=bearer(one["access_token"]))).status_code == 200
    kept = everything_in(tmp_path)
    assert SAM["email"].encode() in kept
    for secret in (one["refresh_token"], one["access_token"], PASSWORD, "PRIVATE KEY"):
        assert secret.encode() not in kept


async def test_a_dismissal_among_refreshes_leaves_no_session(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        account = (await house.register())["account"]["id"]
        held = [(await house.signed_in())["refresh_token"] for _ in range(8)]
        by_form = [house.grant(grant_type="refresh_token", refresh_token=token) for token in held[:4]]
        by_json = [house.post("/auth/refresh", {"refresh_token": token}) for token in held[4:]]
        *answers, amended = await asyncio.gather(*by_form, *by_json, house.amend(account, status="disabled"))
        assert amended.status_code == 200
        assert {answer.status_code for answer in answers} <= {200, 400, 401}
        for pair in (answer.json() for answer in answers if answer.status_code == 200):
            assert (await house.me(pair["access_token"])).status_code == 401
            assert (await refreshed(house, pair["refresh_token"]))[0] == 401
