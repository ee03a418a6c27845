"""The settings of scheduling-service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class SchedulingSettings(CommonSettings):
    """Settings of scheduling-service, from variables that begin with `SCHEDULING_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="SCHEDULING_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.SCHEDULING

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
    keep_years: int = Field(
        30,
        ge=1,
        le=100,
        description="For how many years after its end the time of a visit, a leave or a closure is kept. Then it is deleted. Set it as "
        "`APPOINTMENT_KEEP_YEARS`, after which appointment-service deletes the appointment.",
    )
