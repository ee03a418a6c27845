"""Overrides: what a service can be given instead of making it from its settings. The launcher uses them to run all eight in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.contracts.identity import Service
from shared.kit.bus import EXCHANGE, Bus
from shared.kit.clock import Clock, system_clock
from shared.kit.ids import new_id
from shared.kit.jobs import BackgroundWork

Transport = Callable[[Service], httpx.AsyncBaseTransport]


@dataclass(frozen=True, slots=True)
class Overrides:
    """A field that is None is made by the service from its settings. `instance_name` identifies this instance in leases."""

    bus: Bus | None = None
    transport: Transport | None = None
    clock: Clock = system_clock
    mailbox: Any = None
    background_work: BackgroundWork | None = None
    instance_name: str = field(default_factory=lambda: str(new_id()))


@asynccontextmanager
async def open_bus(url: str, clock: Clock, namespace: str = "") -> AsyncIterator[Bus]:
    """Open the event bus behind a URL: `amqp://...`, or `memory:` with an optional path (`memory:/data/bus.db`).

    Installations that share a broker have different namespaces.
    """
    if url.startswith("amqp"):
        from shared.kit.bus_rabbit import RabbitBus

        async with RabbitBus(url, exchange=f"{namespace}{EXCHANGE}") as rabbit:
            yield rabbit
    else:
        from shared.kit.bus_embedded import EmbeddedBus

        async with EmbeddedBus(url.removeprefix("memory:") or ":memory:", clock) as embedded:
            yield embedded
