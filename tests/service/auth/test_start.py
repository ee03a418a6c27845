"""What a start makes: the first admin, the signing key - once, however many instances start."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from auth_svc.settings import AuthSettings
from shared.kit.migrations import migrate
from shared.kit.settings import InvalidSettings
from tests.service.auth.house import BOSS, PASSWORD, SAM, SETTINGS, House, opened


async def admins(house: House) -> list[str]:
    return [item["email"] for item in (await house.admin_asks("GET", "/internal/accounts?role=admin")).json()["items"]]


async def test_the_first_admin_can_sign_in(house: House) -> None:
    account = (await house.signed_in(**BOSS))["account"]
    assert (account["role"], account["status"]) == ("admin", "active")


async def test_two_instances_that_start_at_once_make_one_admin_and_one_key(tmp_path: Path, instance: Path, sql_url: str) -> None:
    migrate("auth_svc", sql_url)
    async with AsyncExitStack() as stack:
        starts = [opened(folder, database_url=sql_url, migrated=False) for folder in (tmp_path, instance)]
        one, other = await asyncio.gather(*(stack.enter_async_context(start) for start in starts))
        assert await admins(one) == [BOSS["email"]]
        keys = [(await house.http.get("/.well-known/jwks.json")).json() for house in (one, other)]
        assert keys[0] == keys[1]
        token = (await one.signed_in(**BOSS))["access_token"]
        assert (await other.me(token)).status_code == 200


async def test_a_later_start_makes_no_other_admin_and_keeps_the_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        token = (await house.signed_in(**BOSS))["access_token"]
    async with opened(tmp_path, bootstrap_admin_email="else@clinic.example") as house:
        assert await admins(house) == [BOSS["email"]]
        assert (await house.me(token)).status_code == 200


async def test_a_start_without_the_variables_makes_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path, bootstrap_admin_email="", bootstrap_admin_password="") as house:
        assert await admins(house) == []
        assert (await house.login("", "")).status_code in (401, 422)


async def test_an_address_that_a_patient_has_makes_no_admin_of_them(tmp_path: Path) -> None:
    async with opened(tmp_path, bootstrap_admin_email=None) as house:
        await house.register()
    async with opened(tmp_path, bootstrap_admin_email=SAM["email"]) as house:
        assert await admins(house) == []
        assert (await house.signed_in(password=PASSWORD))["account"]["role"] == "patient"


async def test_another_key_secret_stops_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with pytest.raises(InvalidSettings, match="AUTH_KEY_SECRET"):
        async with opened(tmp_path, key_secret="z" * 40):
            pass


def faults(**changes: str | None) -> list[str]:
    given: dict[str, Any] = SETTINGS | {"database_url": "sqlite://", "client_secret": "0123456789abcdef-auth-service-own"} | changes
    return AuthSettings(**given).faults()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"key_secret": ""}, "AUTH_KEY_SECRET: is missing"),
        ({"key_secret": "0123456789abcdef"}, "AUTH_KEY_SECRET: is shorter than 32 characters"),
        ({"patient_client_secret": "changeme" * 5}, "PATIENT_CLIENT_SECRET: is a known or guessable value"),
        ({"bootstrap_admin_password": None}, "CARESLOT_BOOTSTRAP_ADMIN_PASSWORD: is missing"),
        ({"bootstrap_admin_email": ""}, "CARESLOT_BOOTSTRAP_ADMIN_EMAIL: is missing"),
        ({"bootstrap_admin_password": "x" * 129}, "CARESLOT_BOOTSTRAP_ADMIN_PASSWORD: is longer than 128 characters"),
    ],
)
def test_a_weak_setting_is_named(changes: dict[str, str | None], fault: str) -> None:
    sound = {"key_secret": "0123456789abcdef-key-at-rest-0123"}
    assert faults(**sound) == []
    assert faults(**(sound | changes)) == [fault]


def test_a_shared_secret_is_named_on_both_sides() -> None:
    shared = "0123456789abcdef-shared-0123456789"
    wrong = faults(key_secret="0123456789abcdef-key-at-rest-0123", doctor_client_secret=shared, admin_client_secret=shared)
    assert wrong == [f"{name}_CLIENT_SECRET: is shared with another setting" for name in ("DOCTOR", "ADMIN")]


def test_settings_come_from_the_environment_and_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("AUTH_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("PATIENT_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("NOTIFY_CLIENT_SECRET", "from the environment")
    monkeypatch.setenv("CARESLOT_BOOTSTRAP_ADMIN_EMAIL", "Boss@Clinic.Example")
    monkeypatch.setenv("CARESLOT_BOOTSTRAP_ADMIN_PASSWORD", "")
    settings = AuthSettings()
    assert settings.secret_of("patient-service") == "from a file"
    assert settings.secret_of("notification-service") == "from the environment"
    assert settings.secret_of("auth-service") == settings.secret_of("nobody") == ""
    assert (settings.bootstrap_admin_email, settings.bootstrap_admin_password) == ("boss@clinic.example", None)
