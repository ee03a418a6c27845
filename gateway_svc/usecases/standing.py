"""Who is up: every service is asked at once whether it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway_svc.usecases.forwarding import Services
from shared.contracts.identity import Service

PATIENCE_SECONDS = 2.0
State = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`checks` are the gateway's own."""

    services: Services
    checks: Sequence[Callable[[], Awaitable[Any]]]

    async def of_all(self) -> dict[Service, State]:
        states = await asyncio.gather(*(self._of(service) for service in Service))
        return dict(zip(Service, states, strict=True))

    async def _of(self, service: Service) -> State:
        if service is Service.GATEWAY:
            return await self._own()
        return "up" if await self.services.find(service, "/readyz", PATIENCE_SECONDS) is not None else "down"

    async def _own(self) -> State:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for check in self.checks:
                    await check()
        except Exception:
            return "down"
        return "up"
