"""The settings of appointment-service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class AppointmentSettings(CommonSettings):
    """`database_url`: `mongodb://...` or `sqlite+aiosqlite:///...`.

    `settle_after_seconds`: no request is under way any more, and with the job's round it is still settled within the promised minute.
    """

    model_config = SettingsConfigDict(env_prefix="APPOINTMENT_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.APPOINTMENT

    database_url: str
    settle_after_seconds: int = Field(45, ge=1, le=3600)
    reconcile_every_seconds: int = Field(300, ge=1, le=86_400)
    most_active: int = Field(20, ge=1, le=1000)
