"""The composition root of the gateway: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from gateway_svc.clients.addresses import ResolvedAddresses
from gateway_svc.clients.http1 import Http1Upstream
from gateway_svc.clients.in_process import InProcess
from gateway_svc.ports import Addresses, Upstream
from gateway_svc.settings import GatewaySettings
from gateway_svc.usecases.documents import Documents
from gateway_svc.usecases.forwarding import Services
from gateway_svc.usecases.standing import Standing
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime

NEIGHBOURS = [service for service in Service if service is not Service.GATEWAY]
LOOK_AROUND_SECONDS = 5.0


@asynccontextmanager
async def wire(app: FastAPI, settings: GatewaySettings, overrides: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, overrides) as runtime:
        upstream, addresses = await _upstream(runtime)
        app.state.services = Services(upstream, addresses, NEIGHBOURS, in_flight=settings.in_flight)
        app.state.documents = Documents(app.state.services, app.openapi)
        app.state.standing = Standing(app.state.services, app.state.checks)
        runtime.jobs.add("addresses", app.state.services.look_around, every_seconds=LOOK_AROUND_SECONDS)
        async with runtime.jobs:
            yield


async def _upstream(runtime: ServiceRuntime) -> tuple[Upstream, Addresses]:
    if runtime.overrides.transport is not None:
        neighbours = InProcess(runtime.overrides.transport)
        return neighbours, neighbours
    return await runtime.stack.enter_async_context(Http1Upstream()), ResolvedAddresses(runtime.settings.urls)
