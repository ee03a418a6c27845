"""The settings of doctor-service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class DoctorSettings(CommonSettings):
    """Settings of doctor-service, from variables that begin with `DOCTOR_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="DOCTOR_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.DOCTOR

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
