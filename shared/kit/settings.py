"""Settings that every service has. Each service's `settings.py` adds its own and is the only reader of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.contracts.identity import Service
from shared.contracts.texts import OneLineText
from shared.contracts.values import Locale, TimeZone

MIN_SECRET_LENGTH = 32
NON_PRODUCTION_ENVIRONMENTS = frozenset({"development", "test"})
GUESSABLE_WORDS = ("changeme", "secret", "password", "example", "default", "careslot")


class InvalidSettings(SystemExit):
    """Ends the process because the environment is wrong. The message has one line per fault, which begins with the variable's name."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the value of `X` from the file that `X_FILE` names (Docker secrets, Kubernetes)."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        for name in variable_names(self.settings_cls, field_name):
            path = os.environ.get(f"{name}_FILE")
            if path:
                return _read_file(f"{name}_FILE", path), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def _read_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"{variable}: cannot be read ({type(error).__name__})") from None


def variable_names(settings: type[BaseSettings], field_name: str) -> list[str]:
    """Return the environment variables that can set a field."""
    alias = settings.model_fields[field_name].validation_alias
    if isinstance(alias, str):
        return [alias]
    return [f"{settings.model_config.get('env_prefix', '')}{field_name}".upper()]


def from_variable(variable: str, default: Any, description: str) -> Any:
    """Return a field that is read from `variable`, which need not have the service's prefix."""
    return Field(default, validation_alias=variable, description=description)


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class CommonSettings(BaseSettings):
    """The settings of every service. `secrets` names the fields that must be strong in production."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service]
    secrets: ClassVar[tuple[str, ...]] = ("client_secret",)

    env: str = from_variable(
        "CARESLOT_ENV",
        "production",
        "`production`, `development` or `test`; any other value counts as production, which refuses weak secrets and development options. "
        "`careslot serve` sets `development` where it is unset.",
    )
    bus_url: str = from_variable("CARESLOT_BUS_URL", "memory:", "The event bus: `amqp://...`, or `memory:` with an optional file path.")
    bus_namespace: str = from_variable(
        "CARESLOT_BUS_NAMESPACE", "", "A prefix of exchange and queue names, for installations that share a broker."
    )
    public_url: str = from_variable("CARESLOT_PUBLIC_URL", "http://localhost:8000", "The address at which clients reach the gateway.")
    issuer: str = from_variable("CARESLOT_ISSUER", "", "The `iss` claim of access tokens; empty means the value of `CARESLOT_PUBLIC_URL`.")
    audience: str = from_variable("CARESLOT_AUDIENCE", "careslot", "The `aud` claim of access tokens.")
    client_secret: str = Field("", description="The secret with which this service gets its own access token; 32 characters or more.")
    clinic_name: OneLineText = from_variable("CARESLOT_CLINIC_NAME", "Careslot Clinic", "The name of the clinic, as patients read it.")
    time_zone: TimeZone = from_variable(
        "CARESLOT_TIME_ZONE",
        "UTC",
        "The clinic's IANA time zone, such as `Europe/Berlin`, for people who gave none and for new doctors; the same for all services."
        " `careslot serve --demo` sets `Europe/Berlin` where it is unset.",
    )
    locale: Locale = from_variable(
        "CARESLOT_LOCALE", "en", "The clinic's language (BCP 47), such as `de`, for people who gave none; the same for all services."
    )
    log_level: LogLevel = from_variable("CARESLOT_LOG_LEVEL", "INFO", "The least severe level that is logged, in capital or small letters.")

    @field_validator("log_level", mode="before")
    @classmethod
    def _use_capital_letters(cls, level: Any) -> Any:
        return level.upper() if isinstance(level, str) else level

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str) -> str:
        """Return the address without a slash at its end. All services derive links and the issuer from it, so they need the same text."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an address such as https://clinic.example")
        return url.rstrip("/")

    @field_validator("issuer")
    @classmethod
    def _default_to_public_url(cls, issuer: str, info: ValidationInfo) -> str:
        return issuer or str(info.data.get("public_url", ""))

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
        """Return the settings of the environment. Raises InvalidSettings for wrong values, and in production for weak secrets."""
        settings = cls.from_values()
        setting_faults = settings.faults()
        if setting_faults and settings.is_production:
            raise InvalidSettings(*setting_faults)
        return settings

    @classmethod
    def from_values(cls, **values: Any) -> Self:
        """Return the settings with these values, and the rest from the environment. Raises InvalidSettings for wrong values."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise InvalidSettings(*(f"{_variable_of(cls, detail['loc'])}: {detail['msg']}" for detail in error.errors())) from None

    @property
    def is_production(self) -> bool:
        """True unless `env` is one of NON_PRODUCTION_ENVIRONMENTS, so that a misspelt name counts as production."""
        return self.env.strip().lower() not in NON_PRODUCTION_ENVIRONMENTS

    def faults(self) -> list[str]:
        """Return one line per secret that is missing, short, guessable or used twice."""
        values = {variable_names(type(self), name)[0]: str(getattr(self, name) or "") for name in self.secrets}
        secrets = [value for value in values.values() if value]
        return [f"{variable}: {fault}" for variable, value in values.items() if (fault := secret_fault(value, secrets))]

    def urls(self, service: Service) -> list[str]:
        """Return the base URLs of a service's instances, from `<PREFIX>_URLS`; the default is the Compose name and port."""
        listed = os.environ.get(f"{service.prefix}_URLS", f"http://{service}:{service.port}")
        return [url.strip().rstrip("/") for url in listed.split(",") if url.strip()]


def _variable_of(settings: type[BaseSettings], location: tuple[Any, ...]) -> str:
    field = str(location[0]) if location else ""
    return variable_names(settings, field)[0] if field in settings.model_fields else field


def secret_fault(secret: str, all_secrets: list[str]) -> str | None:
    """Return why a secret is too weak, or None."""
    if not secret:
        return "is missing"
    if len(secret) < MIN_SECRET_LENGTH:
        return f"is shorter than {MIN_SECRET_LENGTH} characters"
    if any(word in secret.lower() for word in GUESSABLE_WORDS) or len(set(secret)) < 8:
        return "is a known or guessable value"
    return "is shared with another setting" if all_secrets.count(secret) > 1 else None
