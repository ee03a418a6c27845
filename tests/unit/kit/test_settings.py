"""Settings: a service does not start with a weak secret or a wrong value, and the message names the variable."""

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

SetVariable = Callable[[str, str], None]
STRONG = secrets.token_urlsafe(32)


class ShopServiceSettings(CommonSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.ADMIN
    secrets: ClassVar[tuple[str, ...]] = ("client_secret", "key_secret")

    database_url: str
    key_secret: str = ""


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> SetVariable:
    """Set a valid environment; the fixture is a function that sets one more variable."""
    monkeypatch.setenv("SHOP_DATABASE_URL", "sqlite+aiosqlite:///x.db")
    monkeypatch.setenv("SHOP_CLIENT_SECRET", STRONG)
    monkeypatch.setenv("SHOP_KEY_SECRET", STRONG[::-1])
    monkeypatch.delenv("CARESLOT_ENV", raising=False)
    return monkeypatch.setenv


def read_faults() -> str:
    with pytest.raises(InvalidSettings) as stopped:
        ShopServiceSettings.read()
    return str(stopped.value)


def test_a_valid_environment_starts_in_production(set_variable: SetVariable) -> None:
    settings = ShopServiceSettings.read()
    assert (settings.env, settings.client_secret, settings.bus_url) == ("production", STRONG, "memory:")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "is missing"),
        ("short-but-0dd", "is shorter than 32 characters"),
        ("changeme" * 5, "is a known or guessable value"),
        ("my-SECRET-is-long-enough-for-anyone", "is a known or guessable value"),
        ("a" * 40, "is a known or guessable value"),
        ("abcabcab" * 5, "is a known or guessable value"),
    ],
)
def test_a_weak_secret_stops_the_start(set_variable: SetVariable, value: str, fault: str) -> None:
    set_variable("SHOP_CLIENT_SECRET", value)
    assert read_faults() == f"SHOP_CLIENT_SECRET: {fault}"


def test_a_shared_secret_stops_the_start_and_names_both(set_variable: SetVariable) -> None:
    set_variable("SHOP_KEY_SECRET", STRONG)
    assert read_faults().splitlines() == [f"SHOP_{name}_SECRET: is shared with another setting" for name in ("CLIENT", "KEY")]


def test_weak_secrets_are_accepted_in_development(set_variable: SetVariable) -> None:
    set_variable("CARESLOT_ENV", "development")
    set_variable("SHOP_CLIENT_SECRET", "x")
    assert ShopServiceSettings.read().client_secret == "x"


@pytest.mark.parametrize("environment", ["Production", "prod", "", " "])
def test_a_misspelt_environment_counts_as_production(set_variable: SetVariable, environment: str) -> None:
    set_variable("CARESLOT_ENV", environment)
    set_variable("SHOP_CLIENT_SECRET", "x")
    assert read_faults() == "SHOP_CLIENT_SECRET: is shorter than 32 characters"


def test_a_fault_does_not_contain_the_secret(set_variable: SetVariable) -> None:
    set_variable("SHOP_CLIENT_SECRET", "hunter2hunter2")
    assert "hunter2" not in read_faults()


def test_a_missing_setting_is_named_by_its_variable(set_variable: SetVariable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_DATABASE_URL")
    assert read_faults() == "SHOP_DATABASE_URL: Field required"


def test_a_secret_is_read_from_a_file(set_variable: SetVariable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(f" {STRONG[1:]}x\n")
    monkeypatch.delenv("SHOP_CLIENT_SECRET")
    set_variable("SHOP_CLIENT_SECRET_FILE", str(tmp_path / "s"))
    assert ShopServiceSettings.read().client_secret == f"{STRONG[1:]}x"
    set_variable("SHOP_CLIENT_SECRET", "ignored")
    assert ShopServiceSettings.read().client_secret == f"{STRONG[1:]}x", "the file has precedence"


def test_a_common_setting_may_come_from_a_file(set_variable: SetVariable, tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("amqp://broker/")
    set_variable("CARESLOT_BUS_URL_FILE", str(tmp_path / "bus"))
    assert ShopServiceSettings.read().bus_url == "amqp://broker/"


def test_a_file_that_cannot_be_read_is_named(set_variable: SetVariable, tmp_path: Path) -> None:
    set_variable("SHOP_CLIENT_SECRET_FILE", str(tmp_path / "none"))
    assert read_faults().startswith("SHOP_CLIENT_SECRET_FILE: cannot be read")


def test_an_empty_file_is_a_missing_secret(set_variable: SetVariable, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("\n")
    set_variable("SHOP_CLIENT_SECRET_FILE", str(tmp_path / "s"))
    assert read_faults() == "SHOP_CLIENT_SECRET: is missing"


def test_settings_are_immutable(set_variable: SetVariable) -> None:
    with pytest.raises(ValidationError):
        ShopServiceSettings.read().env = "test"  # type: ignore[misc]


def test_the_addresses_of_a_service_are_a_comma_separated_list(set_variable: SetVariable) -> None:
    assert ShopServiceSettings.read().urls(Service.NOTIFICATION) == ["http://notification-service:8007"]
    set_variable("NOTIFY_URLS", "http://one:1/, http://two:2 ,")
    assert ShopServiceSettings.read().urls(Service.NOTIFICATION) == ["http://one:1", "http://two:2"]


def test_the_clinics_time_zone_is_an_iana_name_and_utc_by_default(set_variable: SetVariable) -> None:
    assert ShopServiceSettings.read().time_zone == "UTC"
    set_variable("CARESLOT_TIME_ZONE", "Europe/Berlin")
    assert ShopServiceSettings.read().time_zone == "Europe/Berlin"
    for zone in ("Berlin", "localtime", "Europe/Berlin\n", ""):
        set_variable("CARESLOT_TIME_ZONE", zone)
        assert read_faults().startswith("CARESLOT_TIME_ZONE: ")


def test_the_issuer_is_the_public_address_unless_it_is_set(set_variable: SetVariable) -> None:
    set_variable("CARESLOT_PUBLIC_URL", "https://clinic.example/")
    for issuer in ("", "careslot"):
        set_variable("CARESLOT_ISSUER", issuer)
        settings = ShopServiceSettings.read()
        assert (settings.public_url, settings.issuer) == ("https://clinic.example", issuer or "https://clinic.example")


@pytest.mark.parametrize("url", ["", "clinic.example", "ftp://clinic.example", "https://", "https://clinic.example/?a=b"])
def test_a_public_address_that_is_no_address_stops_the_start(set_variable: SetVariable, url: str) -> None:
    set_variable("CARESLOT_PUBLIC_URL", url)
    assert "CARESLOT_PUBLIC_URL: " in read_faults()


@pytest.mark.parametrize(("value", "level"), [("warning", "WARNING"), ("Error", "ERROR"), ("DEBUG", "DEBUG")])
def test_the_log_level_may_be_written_in_small_letters(set_variable: SetVariable, value: str, level: str) -> None:
    set_variable("CARESLOT_LOG_LEVEL", value)
    assert ShopServiceSettings.read().log_level == level


def test_an_unknown_log_level_stops_the_start(set_variable: SetVariable) -> None:
    set_variable("CARESLOT_LOG_LEVEL", "verbose")
    assert "CARESLOT_LOG_LEVEL" in read_faults()


def test_a_variable_without_prefix_that_other_programs_use_sets_nothing(set_variable: SetVariable) -> None:
    set_variable("ENV", "development")
    set_variable("LOG_LEVEL", "DEBUG")
    settings = ShopServiceSettings.read()
    assert (settings.env, settings.is_production, settings.log_level) == ("production", True, "INFO")
