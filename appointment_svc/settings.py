"""The settings of appointment-service."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.contracts.appointments import OverrideCode
from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


def _split_list(value: Any) -> Any:
    """Return the items of a comma-separated list; other values as they are."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


class AppointmentSettings(CommonSettings):
    """Settings of appointment-service, from variables that begin with `APPOINTMENT_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="APPOINTMENT_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.APPOINTMENT

    secrets: ClassVar[tuple[str, ...]] = ("client_secret", "link_secret")

    database_url: str = Field(description="The database: `mongodb://...` or `sqlite+aiosqlite:///...`.")
    link_secret: str = Field(
        "",
        description="Makes the links in mails; 32 characters or more, the same for all instances. With another one, links that were sent "
        "before do not work any more.",
    )
    retry_pending_after_seconds: int = Field(
        45,
        ge=1,
        le=3600,
        description="After how many seconds the retry job completes a pending appointment. It must be longer than a request can take, and "
        "short enough that a pending booking is completed within a minute.",
    )
    reconcile_every_seconds: int = Field(300, ge=1, le=86_400, description="How often appointments and the calendar are compared.")
    reconcile_max_releases: int = Field(
        20,
        ge=0,
        le=1_000_000,
        description="How many reservations without an appointment one comparison releases (or 1 % of all, if that is more). With more it "
        "stops and logs `reconcile_stopped`. Raise it for one run after you have made sure that the appointments are not an old backup.",
    )
    keep_texts_years: int = Field(
        10,
        ge=1,
        le=100,
        description="For how many years after its end an appointment keeps what was written about it: the reason, the intake form, the "
        "reason of a cancellation and notes. Ids, times and states stay.",
    )
    keep_years: int = Field(
        30,
        ge=1,
        le=100,
        description="For how many years after its end an appointment is kept. Then it is deleted. The default is the longest time for "
        "which damages can be claimed in many countries; the law of the clinic's country decides.",
    )
    reception_may_override: Annotated[tuple[OverrideCode, ...], NoDecode, BeforeValidator(_split_list)] = Field(
        (),
        description="The rules of the calendar that the reception may lift for an appointment, as a comma-separated list of "
        f"{', '.join(f'`{code}`' for code in OverrideCode)}. Empty: none. Admins may lift each of them.",
    )
    max_active_appointments: int = Field(20, ge=1, le=1000, description="How many active appointments one patient may have ahead.")
