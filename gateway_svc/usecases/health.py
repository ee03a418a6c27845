"""Which services are up: asks the readiness route of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.contracts.identity import Service

CHECK_TIMEOUT_SECONDS, CACHE_SECONDS = 2.0, 1.0
HealthState = Literal["up", "down"]


@dataclass(slots=True)
class PlatformHealth:
    """Finds out which services are up. `own_checks` are the readiness checks of the gateway itself; a check raises if it fails.

    All callers share one check of all services, and its result is reused for CACHE_SECONDS, because the route is public and each check
    calls all services.
    """

    services: UpstreamServices
    own_checks: Sequence[Callable[[], Awaitable[Any]]]
    monotonic: Callable[[], float] = time.monotonic
    _check_task: asyncio.Task[dict[Service, HealthState]] | None = None
    _checked_at: float = 0.0

    async def check_all(self) -> dict[Service, HealthState]:
        """Return the state of each service; one that is not ready within 2 s is down."""
        task = self._check_task
        if task is None or (task.done() and self.monotonic() - self._checked_at >= CACHE_SECONDS):
            task = self._check_task = asyncio.create_task(self._check_each(), name="status")
        return await asyncio.shield(task)  # a cancelled request does not cancel the check for the others

    async def _check_each(self) -> dict[Service, HealthState]:
        """Check all services at once."""
        states = await asyncio.gather(*(self._check(service) for service in Service))
        self._checked_at = self.monotonic()
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
