"""Settings: whoever starts with a weak secret is stopped by a line that names the variable."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings, InvalidSettings

Setting = Callable[[str, str], None]
STRONG = secrets.token_urlsafe(32)


class Settings(CommonSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.ADMIN
    secrets: ClassVar[tuple[str, ...]] = ("client_secret", "key_secret")

    database_url: str
    key_secret: str = ""


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A sound environment; `put(name, value)` changes it."""
    monkeypatch.setenv("SHOP_DATABASE_URL", "sqlite+aiosqlite:///x.db")
    monkeypatch.setenv("SHOP_CLIENT_SECRET", STRONG)
    monkeypatch.setenv("SHOP_KEY_SECRET", STRONG[::-1])
    monkeypatch.delenv("CARESLOT_ENV", raising=False)
    return monkeypatch.setenv


def faults() -> str:
    with pytest.raises(InvalidSettings) as stopped:
        Settings.read()
    return str(stopped.value)


def test_a_sound_environment_starts_in_production(put: Setting) -> None:
    settings = Settings.read()
    assert (settings.env, settings.client_secret, settings.bus_url) == ("production", STRONG, "memory:")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "is missing"),
        ("short-but-0dd", "is shorter than 32 characters"),
        ("changeme" * 5, "is a known or guessable value"),
        ("my-SECRET-is-long-enough-for-anyone", "is a known or guessable value"),
        ("a" * 40, "is a known or guessable value"),
        ("abcabcab" * 5, "is a known or guessable value"),
    ],
)
def test_a_weak_secret_stops_the_start(put: Setting, value: str, why: str) -> None:
    put("SHOP_CLIENT_SECRET", value)
    assert faults() == f"SHOP_CLIENT_SECRET: {why}"


def test_a_shared_secret_stops_the_start_and_names_both(put: Setting) -> None:
    put("SHOP_KEY_SECRET", STRONG)
    assert faults().splitlines() == [f"SHOP_{name}_SECRET: is shared with another setting" for name in ("CLIENT", "KEY")]


def test_development_may_be_careless(put: Setting) -> None:
    put("CARESLOT_ENV", "development")
    put("SHOP_CLIENT_SECRET", "x")
    assert Settings.read().client_secret == "x"


def test_a_fault_never_tells_the_secret(put: Setting) -> None:
    put("SHOP_CLIENT_SECRET", "hunter2hunter2")
    assert "hunter2" not in faults()


def test_a_missing_setting_is_named_as_the_environment_names_it(put: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_DATABASE_URL")
    assert faults() == "SHOP_DATABASE_URL: Field required"


def test_a_file_holds_a_secret(put: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(f" {STRONG[1:]}x\n")
    monkeypatch.delenv("SHOP_CLIENT_SECRET")
    put("SHOP_CLIENT_SECRET_FILE", str(tmp_path / "s"))
    assert Settings.read().client_secret == f"{STRONG[1:]}x"
    put("SHOP_CLIENT_SECRET", "ignored")
    assert Settings.read().client_secret == f"{STRONG[1:]}x", "the file goes first"


def test_a_common_setting_may_come_from_a_file(put: Setting, tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("amqp://broker/")
    put("CARESLOT_BUS_URL_FILE", str(tmp_path / "bus"))
    assert Settings.read().bus_url == "amqp://broker/"


def test_a_file_that_cannot_be_read_is_named(put: Setting, tmp_path: Path) -> None:
    put("SHOP_CLIENT_SECRET_FILE", str(tmp_path / "none"))
    assert faults().startswith("SHOP_CLIENT_SECRET_FILE: cannot be read")


def test_an_empty_file_is_a_missing_secret(put: Setting, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("\n")
    put("SHOP_CLIENT_SECRET_FILE", str(tmp_path / "s"))
    assert faults() == "SHOP_CLIENT_SECRET: is missing"


def test_settings_do_not_change(put: Setting) -> None:
    with pytest.raises(ValidationError):
        Settings.read().env = "test"  # type: ignore[misc]


def test_the_addresses_of_a_neighbour_are_a_list(put: Setting) -> None:
    assert Settings.read().urls(Service.NOTIFICATION) == ["http://notification-service:8007"]
    put("NOTIFY_URLS", "http://one:1/, http://two:2 ,")
    assert Settings.read().urls(Service.NOTIFICATION) == ["http://one:1", "http://two:2"]
