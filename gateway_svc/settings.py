"""The settings of the gateway."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from gateway_svc.domain.client_address import Network, parse_networks
from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings

IN_MEMORY = "memory:"


class GatewaySettings(CommonSettings):
    """The settings of the gateway."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.GATEWAY

    deadline_seconds: float = Field(15.0, gt=0, le=60, description="The time within which the response of a service must begin.")
    body_seconds: float = Field(10.0, gt=0, le=60, description="The time within which the body of a request must arrive.")
    in_flight: int = Field(256, ge=1, description="The largest number of requests that one service has in progress.")
    cors_origins: str = Field("", description="A comma-separated list of web origins; `*` allows any, an empty list none.")
    expose_metrics: bool = Field(False, description="Whether clients can reach `/metrics`.")

    rate_scale: float = Field(
        1.0, gt=0, le=1_000_000, description="Multiplies all rate limits; `careslot serve --dev` sets 20 where the variable is unset."
    )
    rate_store_url: str = Field(
        IN_MEMORY,
        pattern=r"^(memory:|rediss?://\S+)$",
        description="Where requests are counted: `memory:`, or the `redis://...` or `rediss://...` server that several gateways share.",
    )
    trusted_proxies: str = Field(
        "", description="The proxies whose `X-Forwarded-For` is believed: a comma-separated list of addresses and CIDR blocks."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """Return the networks in `trusted_proxies`."""
        return parse_networks(self.trusted_proxies)

    @property
    def origins(self) -> frozenset[str]:
        """Return the origins in `cors_origins`, without a slash at their end."""
        return frozenset(origin.strip().rstrip("/") for origin in self.cors_origins.split(",") if origin.strip())
