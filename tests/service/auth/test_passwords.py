"""Changing, forgetting and resetting a password; invitations."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contracts.events import AccountChanged, AccountInvited, PasswordChanged, PasswordResetRequested
from shared.contracts.identity import Service
from tests.service.auth.house import OTHER, PASSWORD, SAM, House, code, opened


async def change(house: House, token: str, current: str = PASSWORD, new: str = OTHER) -> httpx.Response:
    return await house.post("/auth/password", {"current_password": current, "new_password": new}, token)


async def forgot(house: House, email: str = SAM["email"]) -> httpx.Response:
    return await house.post("/auth/password/forgot", {"email": email})


async def reset(house: House, token: str, new: str = OTHER) -> httpx.Response:
    return await house.post("/auth/password/reset", {"token": token, "new_password": new})


async def asked(house: House) -> list[Any]:
    return await house.published(PasswordResetRequested)


async def test_a_changed_password_ends_the_other_sessions_and_is_told(house: House) -> None:
    other, mine = await house.register(), await house.signed_in()
    assert (await change(house, mine["access_token"])).status_code == 204
    assert (await house.me(mine["access_token"])).status_code == 200
    assert (await house.me(other["access_token"])).status_code == 401
    assert (await house.post("/auth/refresh", {"refresh_token": mine["refresh_token"]})).status_code == 200
    assert (await house.login()).status_code == 401
    assert (await house.login(password=OTHER)).status_code == 200
    assert len(await house.published(PasswordChanged)) == 1


async def test_a_change_needs_the_current_password_and_a_good_new_one(house: House) -> None:
    token = (await house.register())["access_token"]
    assert code(await change(house, token, current=OTHER)) == (401, "invalid_credentials")
    weak = await change(house, token, new="passwordpassword")
    assert code(weak) == (422, "password_too_weak")
    assert weak.json()["errors"][0]["pointer"] == "/new_password"
    assert code(await house.post("/auth/password", {"current_password": PASSWORD, "new_password": OTHER})) == (401, "unauthenticated")


async def test_of_two_changes_at_once_one_wins(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        token = (await house.register())["access_token"]
        news = [f"the new pass phrase {number}" for number in range(4)]
        answers = await asyncio.gather(*(change(house, token, new=new) for new in news))
        assert sorted(answer.status_code for answer in answers) == [204, 401, 401, 401]


async def test_a_change_makes_links_that_were_asked_for_before_useless(house: House) -> None:
    token = (await house.register())["access_token"]
    await forgot(house)
    link = await house.link()
    await change(house, token)
    assert code(await reset(house, link, "yet another pass phrase")) == (422, "token_invalid")


async def test_nobody_learns_whom_a_forgotten_password_belongs_to(house: House) -> None:
    account = (await house.register())["account"]["id"]
    disabled = (await house.register(email="dana@example.com"))["account"]["id"]
    await house.amend(disabled, status="disabled")
    answers = [await forgot(house, email) for email in ("SAM@example.com", "dana@example.com", "nobody@example.com")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert [str(event.account_id) for event in await asked(house)] == [account]


async def test_a_link_sets_a_password_once_and_ends_all_sessions(house: House) -> None:
    session = await house.register()
    await forgot(house)
    link = await house.link()
    assert link == await house.link()
    assert code(await reset(house, link, "short")) == (422, "password_too_weak")
    assert (await reset(house, link)).status_code == 204
    assert (await house.me(session["access_token"])).status_code == 401
    assert (await house.login(password=OTHER)).status_code == 200
    assert code(await reset(house, link, "yet another pass phrase")) == (422, "token_invalid")
    assert len(await house.published(PasswordChanged)) == 1


async def test_a_link_that_many_use_at_once_works_once(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        await house.register()
        await forgot(house)
        link = await house.link()
        answers = await asyncio.gather(*(reset(house, link, f"the new pass phrase {number}") for number in range(4)))
        assert sorted(answer.status_code for answer in answers) == [204, 422, 422, 422]


async def test_a_link_works_for_an_hour(house: House) -> None:
    await house.register()
    await forgot(house)
    link, event = await house.link(), (await asked(house))[0]
    assert event.expires_at - event.occurred_at == timedelta(hours=1)
    house.clock.advance(timedelta(hours=1))
    assert code(await reset(house, link)) == (422, "token_invalid")
    late = await house.ask(Service.NOTIFICATION, "POST", f"/internal/password-resets/{event.reset_id}/token")
    assert code(late) == (422, "token_invalid")


async def test_only_the_newest_link_works(house: House) -> None:
    await house.register()
    await forgot(house)
    old = await house.link()
    await forgot(house)
    assert code(await reset(house, old)) == (422, "token_invalid")
    assert (await reset(house, await house.link())).status_code == 204


@pytest.mark.parametrize("forged", ["x", "A" * 64, "ü", "=", "{link}=", "{link}A", "{flipped}"])
async def test_a_forged_link_is_refused(house: House, forged: str) -> None:
    await house.register()
    await forgot(house)
    link = await house.link()
    flipped = link[:-2] + ("A" if link[-2] != "A" else "B") + link[-1]
    assert code(await reset(house, forged.format(link=link, flipped=flipped))) == (422, "token_invalid")


async def test_an_invitation_is_accepted_by_choosing_a_password(house: House) -> None:
    made = (await house.put()).json()
    assert made["status"] == "invited"
    event = (await house.published(AccountInvited))[0]
    assert (str(event.account_id), event.expires_at - event.occurred_at) == (made["id"], timedelta(days=7))
    house.clock.advance(timedelta(days=6))
    assert (await reset(house, await house.link(AccountInvited))).status_code == 204
    session = await house.signed_in(made["email"], OTHER)
    assert (session["account"]["status"], session["account"]["role"]) == ("active", "reception")
    assert [event.status for event in await house.published(AccountChanged) if str(event.account_id) == made["id"]] == ["invited", "active"]
    assert await house.published(PasswordChanged) == []


async def test_someone_invited_who_forgot_is_still_invited_for_a_week(house: House) -> None:
    await house.put()
    await forgot(house, "rae@clinic.example")
    house.clock.advance(timedelta(days=6))
    assert (await reset(house, await house.link())).status_code == 204
    assert (await house.login("rae@clinic.example", OTHER)).status_code == 200


async def test_an_invitation_follows_a_corrected_address(house: House) -> None:
    made = (await house.put()).json()
    stray = await house.link(AccountInvited)
    await house.amend(made["id"], email="rae.moss@clinic.example")
    assert code(await reset(house, stray)) == (422, "token_invalid")
    assert len(await house.published(AccountInvited)) == 2
    assert (await reset(house, await house.link(AccountInvited))).status_code == 204


async def test_who_is_disabled_has_no_link(house: House) -> None:
    account = (await house.register())["account"]["id"]
    await forgot(house)
    link = await house.link()
    await house.amend(account, status="disabled")
    assert code(await reset(house, link)) == (422, "token_invalid")


async def test_only_notification_service_is_given_links(house: House) -> None:
    session = await house.register()
    await forgot(house)
    path = f"/internal/password-resets/{(await asked(house))[0].reset_id}/token"
    assert code(await house.ask(Service.ADMIN, "POST", path)) == (403, "forbidden")
    assert code(await house.post(path, token=session["access_token"])) == (403, "forbidden")
    assert code(await house.post(path)) == (401, "unauthenticated")
