"""Forwards requests to the services: chooses an instance, tries another one where that is safe, and enforces the deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from gateway_svc.domain.refusals import UpstreamLost, UpstreamTimeout, UpstreamUnavailable
from gateway_svc.ports import AddressResolver, ConnectFailed, ConnectionLost, UpstreamClient, UpstreamRequest, UpstreamResponse
from gateway_svc.usecases.load_balancer import Instance, LoadBalancer
from shared.contracts.identity import Service
from shared.contracts.refusals import Refusal

RETRY_AFTER_SECONDS = 2
MAX_FETCHED_BYTES = 4 * 1024 * 1024


class UpstreamServices:
    """Forwards requests to the services behind the gateway. There is one LoadBalancer for each service."""

    def __init__(
        self,
        client: UpstreamClient,
        resolver: AddressResolver,
        services: Iterable[Service],
        *,
        max_requests_per_service: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._resolver = client, resolver
        self._balancers: Mapping[Service, LoadBalancer] = {
            service: LoadBalancer(max_requests_per_service, monotonic) for service in services
        }
        self._resolve_locks = {service: asyncio.Lock() for service in self._balancers}

    async def refresh_addresses(self) -> int:
        """Look up the instances of all services again. A service whose lookup fails keeps the instances it has.

        Returns 0: the job that calls this never has more to do at once.
        """
        for service in self._balancers:
            await self._refresh_addresses_of(service)
        return 0

    async def _refresh_addresses_of(self, service: Service) -> None:
        addresses = await self._resolver.resolve(service)
        if addresses:
            self._balancers[service].replace_instances(addresses)

    @asynccontextmanager
    async def forward(self, service: Service, request: UpstreamRequest, timeout_seconds: float) -> AsyncIterator[UpstreamResponse]:
        """Send the request to an instance of the service, and give its response once the headers have arrived.

        `timeout_seconds` limits the time until then. Leaving the context closes the response.
        Raises UpstreamBusy, UpstreamUnavailable, UpstreamLost or UpstreamTimeout.
        """
        balancer = self._balancers[service]
        if not balancer:
            await self._find_first_instances(service)
        balancer.begin_request()
        try:
            instance, response = await self._send_within(balancer, request, timeout_seconds)
            try:
                yield response
            except ConnectionLost:
                instance.breaker.record_failure()
                raise
            finally:
                instance.requests_in_progress -= 1
                response.close()
        finally:
            balancer.end_request()

    async def _find_first_instances(self, service: Service) -> None:
        """Look up a service that has no known instances yet, once for all requests that wait for it."""
        async with self._resolve_locks[service]:
            if not self._balancers[service]:
                await self._refresh_addresses_of(service)
        if not self._balancers[service]:
            raise UpstreamUnavailable(retry_after=RETRY_AFTER_SECONDS)

    async def _send_within(
        self, balancer: LoadBalancer, request: UpstreamRequest, timeout_seconds: float
    ) -> tuple[Instance, UpstreamResponse]:
        tried: list[Instance] = []
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._send(balancer, request, tried)
        except TimeoutError:
            if tried and request.has_arrived():
                tried[-1].breaker.record_failure()  # this is the instance that did not answer in time
            raise UpstreamTimeout(retry_after=RETRY_AFTER_SECONDS) from None

    async def _send(self, balancer: LoadBalancer, request: UpstreamRequest, tried: list[Instance]) -> tuple[Instance, UpstreamResponse]:
        """Send the request to one instance after the other until one responds; `tried` collects them.

        The next instance is tried after ConnectFailed, and after ConnectionLost only if the request is retryable.
        On return, the response counts as a request in progress of its instance.
        """
        while True:
            instance = balancer.choose_instance(excluded=tried)
            tried.append(instance)
            instance.requests_in_progress += 1
            try:
                response = await self._client.send(instance.address, request)
            except ConnectFailed:
                instance.breaker.record_failure()
                instance.requests_in_progress -= 1
            except ConnectionLost:
                instance.breaker.record_failure()
                instance.requests_in_progress -= 1
                if not request.is_retryable or len(tried) == len(balancer):
                    raise UpstreamLost(retry_after=RETRY_AFTER_SECONDS) from None
            except BaseException:  # the client disconnected or does not send its body, or the deadline has passed
                instance.breaker.record_abandoned()
                instance.requests_in_progress -= 1
                raise
            else:
                instance.breaker.record_success()
                return instance, response

    async def try_get(self, service: Service, path: str, timeout_seconds: float) -> bytes | None:
        """Return the body of a 200 response to GET, or None for any other outcome, including one that is larger than 4 MiB."""
        request = UpstreamRequest("GET", path.encode(), [(b"accept", b"application/json")])
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(timeout_seconds), self.forward(service, request, timeout_seconds) as response:
                while response.has_more and size < MAX_FETCHED_BYTES:
                    chunks.append(await response.read_chunk())
                    size += len(chunks[-1])
                is_usable = response.status == 200 and not response.has_more
        except (Refusal, ConnectionLost, TimeoutError):
            return None
        return b"".join(chunks) if is_usable else None
