"""The settings of auth-service."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from auth_svc.domain.passwords import LONGEST
from shared.contracts.identity import Service
from shared.contracts.values import Email
from shared.kit.settings import CommonSettings

EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)  # Compose passes on what is not set as an empty string


def _common(name: str, default: Any = "") -> Any:
    """A setting whose variable carries another prefix than this service's."""
    return Field(default, validation_alias=AliasChoices(name.removeprefix("CARESLOT_").lower(), name))


class AuthSettings(CommonSettings):
    """`key_secret` protects the signing keys at rest; the `..._client_secret`s are what its neighbours prove themselves by."""

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
        """Also: a first admin who could not sign in."""
        password = self.bootstrap_admin_password or ""
        given = self.bootstrap_admin_email is not None, bool(password)
        wrong = {
            "CARESLOT_BOOTSTRAP_ADMIN_EMAIL: is missing": given == (False, True),
            "CARESLOT_BOOTSTRAP_ADMIN_PASSWORD: is missing": given == (True, False),
            f"CARESLOT_BOOTSTRAP_ADMIN_PASSWORD: is longer than {LONGEST} characters": len(password) > LONGEST,
        }
        return super().faults() + [fault for fault, stands in wrong.items() if stands]

    def secret_of(self, client_id: str) -> str:
        """The secret of a service by its name; empty when there is none."""
        known = {service.value: service.prefix.lower() for service in Service}
        return str(getattr(self, f"{known[client_id]}_client_secret", "")) if client_id in known and client_id != self.service else ""
