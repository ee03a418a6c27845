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
    adult_age: int = Field(
        18,
        ge=1,
        le=100,
        description="The age in years, in the clinic's time zone, from which guardians see nothing of a dependant's medical history, and "
        "from which they book only until the dependant has an account.",
    )
