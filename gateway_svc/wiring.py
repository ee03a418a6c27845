"""The composition root of the gateway: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from gateway_svc.clients.addresses import DnsAddressResolver
from gateway_svc.clients.http1_client import Http1Client
from gateway_svc.clients.in_process import InProcessClient
from gateway_svc.ports import AddressResolver, UpstreamClient
from gateway_svc.settings import Settings
from gateway_svc.usecases.health import PlatformHealth
from gateway_svc.usecases.public_document import PublicDocument
from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime

UPSTREAM_SERVICES = [service for service in Service if service is not Service.GATEWAY]
REFRESH_ADDRESSES_SECONDS = 5.0


@asynccontextmanager
async def wired(app: FastAPI, settings: Settings, plugs: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, plugs) as runtime:
        client, resolver = await _open_client(runtime)
        services = UpstreamServices(client, resolver, UPSTREAM_SERVICES, max_requests_per_service=settings.in_flight)
        app.state.services = services
        app.state.public_document = PublicDocument(services, app.openapi)
        app.state.health = PlatformHealth(services, app.state.checks)
        runtime.jobs.add("refresh addresses", services.refresh_addresses, every_seconds=REFRESH_ADDRESSES_SECONDS)
        async with runtime.jobs:
            yield


async def _open_client(runtime: ServiceRuntime) -> tuple[UpstreamClient, AddressResolver]:
    """The clients of the two ports: in the same process if the launcher passes a transport, else over the network."""
    if runtime.plugs.transport is not None:
        in_process = InProcessClient(runtime.plugs.transport)
        return in_process, in_process
    return await runtime.stack.enter_async_context(Http1Client()), DnsAddressResolver(runtime.settings.urls)
