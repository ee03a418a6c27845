"""Calls services that run in the same process, through the transports that the launcher passes in (`Overrides.transport`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import httpx

from gateway_svc.domain.headers import Headers
from gateway_svc.ports import ConnectFailed, ConnectionLost, InstanceAddress, UpstreamRequest
from shared.contracts.identity import Service


class InProcessClient:
    """Implements UpstreamClient and AddressResolver: every service has one instance, whose address is the name of the service."""

    def __init__(self, transport_of: Callable[[Service], httpx.AsyncBaseTransport]) -> None:
        self._transport_of = transport_of
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}

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
        return InProcessResponse(response)


class InProcessResponse:
    """Implements UpstreamResponse over an httpx response."""

    def __init__(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
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
        """Discard the rest of the body."""
        self.has_more = False
