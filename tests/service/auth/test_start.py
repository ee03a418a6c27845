"""Starting the service creates the first admin and the signing key once, however many instances start; its settings."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from auth_svc.settings import AuthSettings
from shared.kit.migrations import migrate
from shared.kit.settings import InvalidSettings
from tests.service.auth.running_auth import FIRST_ADMIN, PASSWORD, SAM, SETTINGS, RunningAuth, run_auth_service


async def list_admins(auth: RunningAuth) -> list[str]:
    return [item["email"] for item in (await auth.call_as_admin("GET", "/internal/accounts?role=admin")).json()["items"]]


async def test_the_first_admin_can_sign_in(auth: RunningAuth) -> None:
    account = (await auth.sign_in(**FIRST_ADMIN))["account"]
    assert (account["role"], account["status"]) == ("admin", "active")


async def test_two_instances_that_start_at_once_create_one_admin_and_one_key(tmp_path: Path, second_folder: Path, sql_url: str) -> None:
    migrate("auth_svc", sql_url)
    async with AsyncExitStack() as stack:
        starts = [run_auth_service(folder, database_url=sql_url, migrated=False) for folder in (tmp_path, second_folder)]
        first, second = await asyncio.gather(*(stack.enter_async_context(start) for start in starts))
        assert await list_admins(first) == [FIRST_ADMIN["email"]]
        keys = [(await auth.http.get("/.well-known/jwks.json")).json() for auth in (first, second)]
        assert keys[0] == keys[1]
        token = (await first.sign_in(**FIRST_ADMIN))["access_token"]
        assert (await second.get_me(token)).status_code == 200


async def test_a_later_start_creates_no_other_admin_and_keeps_the_key(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path) as auth:
        token = (await auth.sign_in(**FIRST_ADMIN))["access_token"]
    async with run_auth_service(tmp_path, bootstrap_admin_email="else@clinic.example") as auth:
        assert await list_admins(auth) == [FIRST_ADMIN["email"]]
        assert (await auth.get_me(token)).status_code == 200


async def test_a_start_without_the_variables_creates_no_admin(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path, bootstrap_admin_email="", bootstrap_admin_password="") as auth:
        assert await list_admins(auth) == []
        assert (await auth.login("", "")).status_code in (401, 422)


async def test_a_patient_with_the_first_admins_address_does_not_become_an_admin(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path, bootstrap_admin_email=None) as auth:
        await auth.register()
    async with run_auth_service(tmp_path, bootstrap_admin_email=SAM["email"]) as auth:
        assert await list_admins(auth) == []
        assert (await auth.sign_in(password=PASSWORD))["account"]["role"] == "patient"


async def test_a_wrong_key_secret_stops_the_start(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path):
        pass
    with pytest.raises(InvalidSettings, match="AUTH_KEY_SECRET"):
        async with run_auth_service(tmp_path, key_secret="z" * 40):
            pass


def faults(**changes: str | None) -> list[str]:
    settings: dict[str, Any] = SETTINGS | {"database_url": "sqlite://", "client_secret": "0123456789abcdef-auth-service-own"} | changes
    return AuthSettings(**settings).faults()


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
    valid = {"key_secret": "0123456789abcdef-key-at-rest-0123"}
    assert faults(**valid) == []
    assert faults(**(valid | changes)) == [fault]


def test_two_settings_with_the_same_secret_are_both_named() -> None:
    shared = "0123456789abcdef-shared-0123456789"
    lines = faults(key_secret="0123456789abcdef-key-at-rest-0123", doctor_client_secret=shared, admin_client_secret=shared)
    assert lines == [f"{name}_CLIENT_SECRET: is shared with another setting" for name in ("DOCTOR", "ADMIN")]


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
