"""The composition root of the gateway: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import Counter

from gateway_svc.clients.addresses import DnsAddressResolver
from gateway_svc.clients.http1_client import Http1Client
from gateway_svc.clients.in_process import InProcessClient
from gateway_svc.clients.window_counter import memory_counter
from gateway_svc.domain.rate_limits import RateLimits
from gateway_svc.jobs import schedule_jobs
from gateway_svc.ports import AddressResolver, RateCounter, UpstreamClient
from gateway_svc.settings import IN_MEMORY, GatewaySettings
from gateway_svc.usecases.health import PlatformHealth
from gateway_svc.usecases.openapi_document import OpenApiDocument
from gateway_svc.usecases.rate_limiter import RateLimiter
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
        limiter = await _open_rate_limiter(runtime, settings)
        runtime.provide(services, document, PlatformHealth(services, app.state.checks), limiter)
        schedule_jobs(runtime.jobs, services)
        async with runtime.jobs:
            yield


async def _open_rate_limiter(runtime: ServiceRuntime, settings: GatewaySettings) -> RateLimiter:
    text = "Requests counted in this process because the shared store did not answer"
    fallbacks = Counter("rate_store_fallbacks", text, registry=runtime.app.state.registry)
    shared_counter: RateCounter | None = None
    if settings.rate_store_url != IN_MEMORY:
        from gateway_svc.clients.redis_counter import open_redis_counter  # importing the Redis client takes a third of a second

        shared_counter = await runtime.stack.enter_async_context(open_redis_counter(settings.rate_store_url))
    return RateLimiter(RateLimits(settings.rate_scale), memory_counter(), shared_counter, fallbacks.inc)


async def _open_client(runtime: ServiceRuntime) -> tuple[UpstreamClient, AddressResolver]:
    """Return the adapters of the two ports: within the process if the launcher passes a transport, else over the network."""
    if runtime.overrides.transport is not None:
        in_process = await runtime.stack.enter_async_context(InProcessClient(runtime.overrides.transport))
        return in_process, in_process
    return await runtime.stack.enter_async_context(Http1Client()), DnsAddressResolver(runtime.settings.urls)
