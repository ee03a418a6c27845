"""The settings of patient-service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class PatientSettings(CommonSettings):
    """Settings of patient-service, from variables that begin with `PATIENT_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="PATIENT_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.PATIENT

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
    keep_accesses_days: int = Field(
        default=3650,
        ge=365,
        le=36500,
        description="Days for which patients can see who read or changed their data. The audit trail has these lines longer.",
    )
