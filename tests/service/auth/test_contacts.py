"""The addresses of accounts for notification-service, in batches, and the language of people who gave none."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.identity import Service
from tests.service.auth.running_auth import PASSWORD, RunningAuth, run_auth_service


async def get_contacts(auth: RunningAuth, *ids: Any, service: Service = Service.NOTIFICATION) -> httpx.Response:
    return await auth.call_as(service, "POST", "/internal/contacts", {"ids": list(map(str, ids))})


async def test_contacts_of_several_accounts_come_in_one_answer_without_unknown_ones(auth: RunningAuth) -> None:
    sam = (await auth.register(locale="de"))["account"]["id"]
    rae = (await auth.create_account(uuid4(), time_zone="Europe/Paris")).json()["id"]
    items = {item["id"]: item for item in (await get_contacts(auth, sam, rae, UUID(int=5))).json()["items"]}
    assert items.keys() == {sam, rae}
    assert {name: items[sam][name] for name in ("email", "status", "role", "locale", "time_zone")} == {
        "email": "sam@example.com",
        "status": "active",
        "role": "patient",
        "locale": "de",
        "time_zone": None,
    }
    assert (items[rae]["status"], items[rae]["time_zone"]) == ("invited", "Europe/Paris")


async def test_contacts_are_for_notification_service_only(auth: RunningAuth) -> None:
    assert (await get_contacts(auth, UUID(int=5), service=Service.APPOINTMENT)).status_code == 403
    assert (await get_contacts(auth)).status_code == 422
    assert (await get_contacts(auth, *(uuid4() for _ in range(101)))).status_code == 422


async def test_patient_service_finds_accounts_by_complete_addresses(auth: RunningAuth) -> None:
    sam = (await auth.register())["account"]["id"]
    for emails, expected in ((["SAM@example.com", "sam@example.com", "x@example.com"], [sam]), (["sam@example.co"], [])):
        answer = await auth.call_as(Service.PATIENT, "POST", "/internal/account-search", {"emails": emails})
        assert (answer.status_code, answer.json()) == (200, {"account_ids": expected})
    for emails in ([], ["sam"], ["sam@example.com"] * 7):
        assert (await auth.call_as(Service.PATIENT, "POST", "/internal/account-search", {"emails": emails})).status_code == 422
    refused = await auth.call_as(Service.NOTIFICATION, "POST", "/internal/account-search", {"emails": ["sam@example.com"]})
    assert refused.status_code == 403


@pytest.mark.parametrize(("given", "shown"), [({}, "fr"), ({"locale": "de"}, "de")])
async def test_who_gives_no_language_has_that_of_the_clinic_and_none_is_stored(tmp_path: Path, given: dict[str, str], shown: str) -> None:
    async with run_auth_service(tmp_path, locale="fr") as auth:
        signed_in = await auth.register(**given)
        assert signed_in["account"]["locale"] == shown
        me = await auth.http.get("/auth/me", headers={"Authorization": f"Bearer {signed_in['access_token']}"})
        assert me.json()["locale"] == shown
        assert (await get_contacts(auth, me.json()["id"])).json()["items"][0]["locale"] == shown
        assert auth.patients.requests[-1].get("locale") == given.get("locale")
        created = await auth.create_account(uuid4(), password=PASSWORD, **given)
        assert created.json()["locale"] == shown
    async with run_auth_service(tmp_path, locale="es") as auth:
        restarted = await auth.login("sam@example.com")
        assert restarted.json()["account"]["locale"] == given.get("locale", "es")
