"""The composition root of the gateway: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from gateway_svc.clients.addresses import DnsAddressResolver
from gateway_svc.clients.http1_client import Http1Client
from gateway_svc.clients.in_process import InProcessClient
from gateway_svc.jobs import schedule_jobs
from gateway_svc.ports import AddressResolver, UpstreamClient
from gateway_svc.settings import GatewaySettings
from gateway_svc.usecases.health import PlatformHealth
from gateway_svc.usecases.openapi_document import OpenApiDocument
from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime

UPSTREAM_SERVICES = [service for service in Service if service is not Service.GATEWAY]


@asynccontextmanager
async def wire(app: FastAPI, settings: GatewaySettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open everything that the gateway needs, and close it in reverse."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        client, resolver = await _open_client(runtime)
        services = UpstreamServices(client, resolver, UPSTREAM_SERVICES, max_requests_per_service=settings.in_flight)
        document = OpenApiDocument(services, app.openapi, settings.public_url.rstrip("/"))
        runtime.provide(services, document, PlatformHealth(services, app.state.checks))
        schedule_jobs(runtime.jobs, services)
        async with runtime.jobs:
            yield


async def _open_client(runtime: ServiceRuntime) -> tuple[UpstreamClient, AddressResolver]:
    """Return the adapters of the two ports: within the process if the launcher passes a transport, else over the network."""
    if runtime.overrides.transport is not None:
        in_process = InProcessClient(runtime.overrides.transport)
        return in_process, in_process
    return await runtime.stack.enter_async_context(Http1Client()), DnsAddressResolver(runtime.settings.urls)
