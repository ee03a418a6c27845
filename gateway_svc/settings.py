"""The settings of the gateway."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class GatewaySettings(CommonSettings):
    """The settings of the gateway."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.GATEWAY

    deadline_seconds: float = Field(15.0, gt=0, le=60, description="The time within which the response of a service must begin.")
    body_seconds: float = Field(10.0, gt=0, le=60, description="The time within which the body of a request must arrive.")
    in_flight: int = Field(256, ge=1, description="The largest number of requests that one service has in progress.")
    cors_origins: str = Field("", description="A comma-separated list of web origins; `*` allows any, an empty list none.")
    expose_metrics: bool = Field(False, description="Whether clients can reach `/metrics`.")

    @property
    def origins(self) -> frozenset[str]:
        """Return the origins in `cors_origins`, without a slash at their end."""
        return frozenset(origin.strip().rstrip("/") for origin in self.cors_origins.split(",") if origin.strip())
