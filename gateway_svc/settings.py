"""The settings of the gateway."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class GatewaySettings(CommonSettings):
    """`cors_origins` is a comma list of web origins, `*` for any, empty for none."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.GATEWAY

    deadline_seconds: float = Field(15.0, gt=0, le=60)
    body_seconds: float = Field(10.0, gt=0, le=60)
    in_flight: int = Field(256, ge=1)
    cors_origins: str = ""
    expose_metrics: bool = False

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(origin.strip().rstrip("/") for origin in self.cors_origins.split(",") if origin.strip())
