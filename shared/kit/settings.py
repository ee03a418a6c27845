"""Settings that every service has; each service's `settings.py` adds its own and is the only reader of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.contracts.identity import Service

SHORTEST_SECRET = 32
KNOWN_SECRETS = ("changeme", "secret", "password", "example", "default", "careslot")


class InvalidSettings(SystemExit):
    """The environment does not do; the message names the variables, a line each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))


class SecretFiles(PydanticBaseSettingsSource):
    """`X_FILE` names a file that holds the value of `X` (Docker secrets, Kubernetes)."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        for name in variables(self.settings_cls, field_name):
            path = os.environ.get(f"{name}_FILE")
            if path:
                return _content(f"{name}_FILE", path), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {key: value for key, value in found.items() if value is not None}


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as why:
        raise InvalidSettings(f"{variable}: cannot be read ({type(why).__name__})") from None


def variables(settings: type[BaseSettings], field_name: str) -> list[str]:
    """The names of the environment variables that may set a field."""
    alias = settings.model_fields[field_name].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices if str(choice).isupper()]
    return [f"{settings.model_config.get('env_prefix', '')}{field_name}".upper()]


class CommonSettings(BaseSettings):
    """What every service reads. `urls` maps a service's name to the base URLs of its instances."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service]
    secrets: ClassVar[tuple[str, ...]] = ("client_secret",)

    env: str = Field("production", validation_alias=AliasChoices("env", "CARESLOT_ENV"))
    bus_url: str = Field("memory:", validation_alias=AliasChoices("bus_url", "CARESLOT_BUS_URL"))
    bus_namespace: str = Field("", validation_alias=AliasChoices("bus_namespace", "CARESLOT_BUS_NAMESPACE"))
    public_url: str = Field("http://localhost:8000", validation_alias=AliasChoices("public_url", "CARESLOT_PUBLIC_URL"))
    issuer: str = Field("careslot", validation_alias=AliasChoices("issuer", "CARESLOT_ISSUER"))
    audience: str = Field("careslot", validation_alias=AliasChoices("audience", "CARESLOT_AUDIENCE"))
    client_secret: str = ""
    log_level: str = Field("INFO", validation_alias=AliasChoices("log_level", "CARESLOT_LOG_LEVEL"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, SecretFiles(settings_cls), env_settings

    @classmethod
    def read(cls) -> Self:
        """From the environment; in production a weak secret stops the start with a line that names the variable."""
        try:
            settings = cls()
        except ValidationError as wrong:
            raise InvalidSettings(*(f"{_named(cls, fault['loc'])}: {fault['msg']}" for fault in wrong.errors())) from None
        faults = settings.faults()
        if faults and settings.env == "production":
            raise InvalidSettings(*faults)
        return settings

    def faults(self) -> list[str]:
        """One line per secret that is missing, short, known or shared."""
        values = {name: (variables(type(self), name)[0], str(getattr(self, name) or "")) for name in self.secrets}
        said = [value for _, value in values.values() if value]
        return [f"{variable}: {why}" for variable, value in values.values() if (why := weakness(value, said))]

    def urls(self, service: Service) -> list[str]:
        """Where the instances of a service are; default the Compose name and port."""
        listed = os.environ.get(f"{service.prefix}_URLS", f"http://{service}:{service.port}")
        return [url.strip().rstrip("/") for url in listed.split(",") if url.strip()]


def _named(settings: type[BaseSettings], location: tuple[Any, ...]) -> str:
    """The variable behind the place of a fault."""
    field = str(location[0]) if location else ""
    return variables(settings, field)[0] if field in settings.model_fields else field


def weakness(secret: str, others: list[str]) -> str | None:
    """Why a secret will not do, or None."""
    if not secret:
        return "is missing"
    if len(secret) < SHORTEST_SECRET:
        return f"is shorter than {SHORTEST_SECRET} characters"
    if any(known in secret.lower() for known in KNOWN_SECRETS) or len(set(secret)) < 8:
        return "is a known or guessable value"
    return "is shared with another setting" if others.count(secret) > 1 else None
