"""Calls services that run in the same process, through the transports that the launcher passes in (`Overrides.transport`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import httpx

from gateway_svc.domain.headers import Headers
from gateway_svc.ports import ConnectFailed, ConnectionLost, InstanceAddress, UpstreamRequest
from shared.contracts.identity import Service


class InProcessClient:
    """Implements UpstreamClient and AddressResolver: every service has one instance, whose address is the name of the service.

    It is a context manager that, on leaving, waits until the responses that were closed early have ended.
    """

    def __init__(self, transport_of: Callable[[Service], httpx.AsyncBaseTransport]) -> None:
        self._transport_of = transport_of
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> InProcessClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._closing)

    async def resolve(self, service: Service) -> Sequence[InstanceAddress]:
        """Return the one address of the service."""
        self._transports[service] = self._transport_of(service)
        return [InstanceAddress(service, service.port, service)]

    async def send(self, address: InstanceAddress, request: UpstreamRequest) -> InProcessResponse:
        """Send the request, after reading its body to the end. Raises ConnectFailed or ConnectionLost."""
        url = httpx.URL(scheme="http", host=address.name, port=address.port, raw_path=request.target)
        body = request.body
        if request.remaining_body is not None:
            body += b"".join([chunk async for chunk in request.remaining_body])
        http_request = httpx.Request(request.method, url, headers=request.headers, content=body or None)
        try:
            response = await self._transports[address.name].handle_async_request(http_request)
        except httpx.ConnectError as error:
            raise ConnectFailed(str(error)) from error
        except httpx.TransportError as error:
            raise ConnectionLost(str(error)) from error
        return InProcessResponse(response, self._close)

    def _close(self, response: httpx.Response) -> None:
        """Begin to close a response. A task of its own does it, because a client that has disconnected must not wait for the service."""
        task = asyncio.create_task(response.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class InProcessResponse:
    """Implements UpstreamResponse over an httpx response. `close_early` is called with a response that was not read to its end."""

    def __init__(self, response: httpx.Response, close_early: Callable[[httpx.Response], None]) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._response, self._close_early = response, close_early
        self.status = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]
        self.has_more = True
        self._chunks: AsyncIterator[bytes] = aiter(response.stream)

    async def read_chunk(self) -> bytes:
        """Return the next bytes of the body, b"" at its end. Raises ConnectionLost if the body is cut off."""
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self.has_more = False
            return b""
        except httpx.TransportError as error:
            raise ConnectionLost(str(error)) from error

    def close(self) -> None:
        """Discard the rest of the body, and stop the service that produces it."""
        if self.has_more:
            self.has_more = False
            self._close_early(self._response)
