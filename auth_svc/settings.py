"""The settings of auth-service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from auth_svc.domain.passwords import MAX_LENGTH
from shared.contracts.identity import Service
from shared.contracts.values import Email
from shared.kit.settings import CommonSettings, from_variable

EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)  # Compose passes unset variables on as empty strings


class AuthSettings(CommonSettings):
    """Settings of auth-service, from variables that begin with `AUTH_`, and the common ones.

    The other services authenticate with the secrets `..._client_secret`.
    """

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.AUTH
    secrets: ClassVar[tuple[str, ...]] = (
        "client_secret", "key_secret", "patient_client_secret", "doctor_client_secret", "scheduling_client_secret",
        "appointment_client_secret", "admin_client_secret", "notify_client_secret", "gateway_client_secret",
    )  # fmt: skip

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
    key_secret: str = Field("", description="For the signing key, reset links, digests of addresses and secrets of API clients.")
    patient_client_secret: str = from_variable("PATIENT_CLIENT_SECRET", "", "The client secret of patient-service.")
    doctor_client_secret: str = from_variable("DOCTOR_CLIENT_SECRET", "", "The client secret of doctor-service.")
    scheduling_client_secret: str = from_variable("SCHEDULING_CLIENT_SECRET", "", "The client secret of scheduling-service.")
    appointment_client_secret: str = from_variable("APPOINTMENT_CLIENT_SECRET", "", "The client secret of appointment-service.")
    admin_client_secret: str = from_variable("ADMIN_CLIENT_SECRET", "", "The client secret of admin-service.")
    notify_client_secret: str = from_variable("NOTIFY_CLIENT_SECRET", "", "The client secret of notification-service.")
    gateway_client_secret: str = from_variable("GATEWAY_CLIENT_SECRET", "", "The client secret of api-gateway.")
    bootstrap_admin_email: Annotated[Email | None, EMPTY_IS_NONE] = from_variable(
        "CARESLOT_BOOTSTRAP_ADMIN_EMAIL", None, "The first admin's email address; read at a start that finds no admin."
    )
    bootstrap_admin_password: Annotated[str | None, EMPTY_IS_NONE] = from_variable(
        "CARESLOT_BOOTSTRAP_ADMIN_PASSWORD", None, "The first admin's password."
    )
    access_minutes: int = Field(10, ge=1, le=10, description="How long an access token is valid, in minutes.")
    session_days: int = Field(30, ge=1, le=365, description="How long a session lasts without being renewed, in days.")
    hashing_threads: int = Field(2, ge=1, le=16, description="Threads that hash passwords.")
    hashing_queue: int = Field(64, ge=1, le=10_000, description="Passwords that may wait for a thread; more are answered 503.")

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
