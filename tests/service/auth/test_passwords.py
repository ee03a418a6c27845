"""Changing, forgetting and resetting a password; invitations."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from shared.contracts.events import AccountChanged, AccountInvited, PasswordChanged, PasswordResetRequested
from shared.contracts.identity import Service
from tests.service.auth.running_auth import OTHER_PASSWORD, PASSWORD, SAM, RunningAuth, run_auth_service, status_and_code


async def change(auth: RunningAuth, token: str, current: str = PASSWORD, new: str = OTHER_PASSWORD) -> httpx.Response:
    return await auth.post("/auth/password", {"current_password": current, "new_password": new}, token)


async def request_link(auth: RunningAuth, email: str = SAM["email"]) -> httpx.Response:
    return await auth.post("/auth/password/forgot", {"email": email})


async def reset(auth: RunningAuth, token: str, new: str = OTHER_PASSWORD) -> httpx.Response:
    return await auth.post("/auth/password/reset", {"token": token, "new_password": new})


async def reset_requests(auth: RunningAuth) -> list[PasswordResetRequested]:
    return await auth.list_events(PasswordResetRequested)


async def test_a_changed_password_ends_the_other_sessions_and_is_announced(auth: RunningAuth) -> None:
    other_session, own_session = await auth.register(), await auth.sign_in()
    assert (await change(auth, own_session["access_token"])).status_code == 204
    assert (await auth.get_me(own_session["access_token"])).status_code == 200
    assert (await auth.get_me(other_session["access_token"])).status_code == 401
    assert (await auth.post("/auth/refresh", {"refresh_token": own_session["refresh_token"]})).status_code == 200
    assert (await auth.login()).status_code == 401
    assert (await auth.login(password=OTHER_PASSWORD)).status_code == 200
    assert len(await auth.list_events(PasswordChanged)) == 1


async def test_a_change_needs_the_current_password_and_an_acceptable_new_one(auth: RunningAuth) -> None:
    token = (await auth.register())["access_token"]
    assert status_and_code(await change(auth, token, current=OTHER_PASSWORD)) == (401, "invalid_credentials")
    weak = await change(auth, token, new="passwordpassword")
    assert status_and_code(weak) == (422, "password_too_weak")
    assert weak.json()["errors"][0]["pointer"] == "/new_password"
    assert status_and_code(await auth.post("/auth/password", {"current_password": PASSWORD, "new_password": OTHER_PASSWORD})) == (
        401,
        "unauthenticated",
    )


async def test_of_several_changes_at_once_one_succeeds(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        token = (await auth.register())["access_token"]
        new_passwords = [f"the new pass phrase {number}" for number in range(4)]
        responses = await asyncio.gather(*(change(auth, token, new=new) for new in new_passwords))
        assert sorted(response.status_code for response in responses) == [204, 401, 401, 401]


async def test_a_changed_password_invalidates_earlier_links(auth: RunningAuth) -> None:
    token = (await auth.register())["access_token"]
    await request_link(auth)
    link = await auth.mailed_token()
    await change(auth, token)
    assert status_and_code(await reset(auth, link, "yet another pass phrase")) == (422, "token_invalid")


async def test_a_request_for_a_link_does_not_tell_whether_the_account_exists(auth: RunningAuth) -> None:
    account = (await auth.register())["account"]["id"]
    disabled = (await auth.register(email="dana@example.com"))["account"]["id"]
    await auth.change_account(disabled, status="disabled")
    responses = [await request_link(auth, email) for email in ("SAM@example.com", "dana@example.com", "nobody@example.com")]
    assert {(response.status_code, response.content) for response in responses} == {(202, responses[0].content)}
    assert [str(event.account_id) for event in await reset_requests(auth)] == [account]


async def test_a_link_sets_a_password_once_and_ends_all_sessions(auth: RunningAuth) -> None:
    session = await auth.register()
    await request_link(auth)
    link = await auth.mailed_token()
    assert link == await auth.mailed_token()
    assert status_and_code(await reset(auth, link, "short")) == (422, "password_too_weak")
    assert (await reset(auth, link)).status_code == 204
    assert (await auth.get_me(session["access_token"])).status_code == 401
    assert (await auth.login(password=OTHER_PASSWORD)).status_code == 200
    assert status_and_code(await reset(auth, link, "yet another pass phrase")) == (422, "token_invalid")
    assert len(await auth.list_events(PasswordChanged)) == 1


async def test_a_link_that_is_used_several_times_at_once_works_once(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        await auth.register()
        await request_link(auth)
        link = await auth.mailed_token()

        async def reset_when_not_busy(password: str) -> httpx.Response:
            while (response := await reset(auth, link, password)).status_code == 503:
                pass  # the machine of the tests may be busy, and hashing has a deadline
            return response

        responses = await asyncio.gather(*(reset_when_not_busy(f"the new pass phrase {number}") for number in range(4)))
        assert sorted(response.status_code for response in responses) == [204, 422, 422, 422], [response.text for response in responses]


async def test_a_link_works_for_an_hour(auth: RunningAuth) -> None:
    await auth.register()
    await request_link(auth)
    link, event = await auth.mailed_token(), (await reset_requests(auth))[0]
    assert event.expires_at - event.occurred_at == timedelta(hours=1)
    auth.clock.advance(timedelta(hours=1))
    assert status_and_code(await reset(auth, link)) == (422, "token_invalid")
    late_response = await auth.call_as(Service.NOTIFICATION, "POST", f"/internal/password-resets/{event.reset_id}/token")
    assert status_and_code(late_response) == (422, "token_invalid")


async def test_only_the_newest_link_works(auth: RunningAuth) -> None:
    await auth.register()
    await request_link(auth)
    old = await auth.mailed_token()
    await request_link(auth)
    assert status_and_code(await reset(auth, old)) == (422, "token_invalid")
    assert (await reset(auth, await auth.mailed_token())).status_code == 204


@pytest.mark.parametrize("forged", ["x", "A" * 64, "ü", "=", "{link}=", "{link}A", "{flipped}"])
async def test_a_forged_link_is_refused(auth: RunningAuth, forged: str) -> None:
    await auth.register()
    await request_link(auth)
    link = await auth.mailed_token()
    flipped = link[:-2] + ("A" if link[-2] != "A" else "B") + link[-1]
    assert status_and_code(await reset(auth, forged.format(link=link, flipped=flipped))) == (422, "token_invalid")


async def test_an_invitation_is_accepted_by_choosing_a_password(auth: RunningAuth) -> None:
    account = (await auth.create_account()).json()
    assert account["status"] == "invited"
    event = (await auth.list_events(AccountInvited))[0]
    assert (str(event.account_id), event.expires_at - event.occurred_at) == (account["id"], timedelta(days=7))
    auth.clock.advance(timedelta(days=6))
    assert (await reset(auth, await auth.mailed_token(AccountInvited))).status_code == 204
    session = await auth.sign_in(account["email"], OTHER_PASSWORD)
    assert (session["account"]["status"], session["account"]["role"]) == ("active", "reception")
    assert [event.status for event in await auth.list_events(AccountChanged) if str(event.account_id) == account["id"]] == [
        "invited",
        "active",
    ]
    assert await auth.list_events(PasswordChanged) == []


async def test_an_invited_user_who_requests_a_link_has_a_week_to_use_it(auth: RunningAuth) -> None:
    await auth.create_account()
    await request_link(auth, "rae@clinic.example")
    auth.clock.advance(timedelta(days=6))
    assert (await reset(auth, await auth.mailed_token())).status_code == 204
    assert (await auth.login("rae@clinic.example", OTHER_PASSWORD)).status_code == 200


async def test_a_changed_email_address_invalidates_the_invitation_and_gets_a_new_one(auth: RunningAuth) -> None:
    account = (await auth.create_account()).json()
    old_token = await auth.mailed_token(AccountInvited)
    await auth.change_account(account["id"], email="rae.moss@clinic.example")
    assert status_and_code(await reset(auth, old_token)) == (422, "token_invalid")
    assert len(await auth.list_events(AccountInvited)) == 2
    assert (await reset(auth, await auth.mailed_token(AccountInvited))).status_code == 204


async def test_disabling_an_account_invalidates_its_link(auth: RunningAuth) -> None:
    account = (await auth.register())["account"]["id"]
    await request_link(auth)
    link = await auth.mailed_token()
    await auth.change_account(account, status="disabled")
    assert status_and_code(await reset(auth, link)) == (422, "token_invalid")


async def test_only_notification_service_gets_the_token_of_a_link(auth: RunningAuth) -> None:
    session = await auth.register()
    await request_link(auth)
    path = f"/internal/password-resets/{(await reset_requests(auth))[0].reset_id}/token"
    assert status_and_code(await auth.call_as(Service.ADMIN, "POST", path)) == (403, "forbidden")
    assert status_and_code(await auth.post(path, token=session["access_token"])) == (403, "forbidden")
    assert status_and_code(await auth.post(path)) == (401, "unauthenticated")
