"""The settings of auth-service."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from auth_svc.domain.passwords import MAX_LENGTH
from shared.contracts.identity import Service
from shared.contracts.values import Email
from shared.kit.settings import CommonSettings

EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)  # Compose passes unset variables on as empty strings


def _common(name: str, default: Any = "") -> Any:
    """Return a field whose variable has another prefix than AUTH_."""
    return Field(default, validation_alias=AliasChoices(name.removeprefix("CARESLOT_").lower(), name))


class AuthSettings(CommonSettings):
    """`key_secret` encrypts the signing key in the database and signs reset links.

    The `..._client_secret`s are those with which the other services authenticate.
    """

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.AUTH
    secrets: ClassVar[tuple[str, ...]] = (
        "client_secret", "key_secret", "patient_client_secret", "doctor_client_secret", "scheduling_client_secret",
        "appointment_client_secret", "admin_client_secret", "notify_client_secret", "gateway_client_secret",
    )  # fmt: skip

    database_url: str
    key_secret: str = ""
    patient_client_secret: str = _common("PATIENT_CLIENT_SECRET")
    doctor_client_secret: str = _common("DOCTOR_CLIENT_SECRET")
    scheduling_client_secret: str = _common("SCHEDULING_CLIENT_SECRET")
    appointment_client_secret: str = _common("APPOINTMENT_CLIENT_SECRET")
    admin_client_secret: str = _common("ADMIN_CLIENT_SECRET")
    notify_client_secret: str = _common("NOTIFY_CLIENT_SECRET")
    gateway_client_secret: str = _common("GATEWAY_CLIENT_SECRET")
    bootstrap_admin_email: Annotated[Email | None, EMPTY_IS_NONE] = _common("CARESLOT_BOOTSTRAP_ADMIN_EMAIL", None)
    bootstrap_admin_password: Annotated[str | None, EMPTY_IS_NONE] = _common("CARESLOT_BOOTSTRAP_ADMIN_PASSWORD", None)
    access_minutes: int = Field(10, ge=1, le=10)
    session_days: int = Field(30, ge=1, le=365)
    hashing_threads: int = Field(2, ge=1, le=16)
    hashing_queue: int = Field(64, ge=1, le=10_000)

    def faults(self) -> list[str]:
        """Return one line per unusable setting: weak secrets, and a first admin who could not sign in."""
        password = self.bootstrap_admin_password or ""
        has_email, has_password = self.bootstrap_admin_email is not None, bool(password)
        faults = {
            "CARESLOT_BOOTSTRAP_ADMIN_EMAIL: is missing": has_password and not has_email,
            "CARESLOT_BOOTSTRAP_ADMIN_PASSWORD: is missing": has_email and not has_password,
            f"CARESLOT_BOOTSTRAP_ADMIN_PASSWORD: is longer than {MAX_LENGTH} characters": len(password) > MAX_LENGTH,
        }
        return super().faults() + [fault for fault, applies in faults.items() if applies]

    def secret_of(self, client_id: str) -> str:
        """Return the client secret of another service, or an empty text when there is no such service or no secret."""
        prefixes = {service.value: service.prefix.lower() for service in Service if service is not self.service}
        return str(getattr(self, f"{prefixes[client_id]}_client_secret", "")) if client_id in prefixes else ""
