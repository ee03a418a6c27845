"""Which services are up: asks the readiness route of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.contracts.identity import Service

CHECK_TIMEOUT_SECONDS = 2.0
HealthState = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """Finds out which services are up. `own_checks` are the readiness checks of the gateway itself; a check raises if it fails."""

    services: UpstreamServices
    own_checks: Sequence[Callable[[], Awaitable[Any]]]

    async def check_all(self) -> dict[Service, HealthState]:
        """Check all services at once; a service that is not ready within 2 s is down."""
        states = await asyncio.gather(*(self._check(service) for service in Service))
        return dict(zip(Service, states, strict=True))

    async def _check(self, service: Service) -> HealthState:
        if service is Service.GATEWAY:
            return await self._check_gateway()
        return "up" if await self.services.try_get(service, "/readyz", CHECK_TIMEOUT_SECONDS) is not None else "down"

    async def _check_gateway(self) -> HealthState:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                for check in self.own_checks:
                    await check()
        except Exception:
            return "down"
        return "up"
