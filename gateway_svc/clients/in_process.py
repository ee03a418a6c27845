"""Services in the same process, over the transports that the launcher gives (`Plugs.transport`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import httpx

from gateway_svc.domain.headers import Headers
from gateway_svc.ports import Address, Call, Lost, NotReached
from shared.contracts.identity import Service


class InProcess:
    """Both ports at once: a service's address is its name."""

    def __init__(self, transport: Callable[[Service], httpx.AsyncBaseTransport]) -> None:
        self._transport = transport
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}

    async def of(self, service: Service) -> Sequence[Address]:
        self._transports[service] = self._transport(service)
        return [Address(service, service.port, service)]

    async def send(self, address: Address, call: Call) -> InProcessAnswer:
        url = httpx.URL(scheme="http", host=address.name, port=address.port, raw_path=call.target)
        body = call.body + b"".join([chunk async for chunk in call.rest]) if call.rest else call.body
        request = httpx.Request(call.method, url, headers=call.headers, content=body or None)
        try:
            response = await self._transports[address.name].handle_async_request(request)
        except httpx.ConnectError as why:
            raise NotReached(str(why)) from why
        except httpx.TransportError as why:
            raise Lost(str(why)) from why
        return InProcessAnswer(response)


class InProcessAnswer:
    def __init__(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self.status = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]
        self.more = True
        self._chunks: AsyncIterator[bytes] = aiter(response.stream)

    async def read(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self.more = False
            return b""
        except httpx.TransportError as why:
            raise Lost(str(why)) from why

    def close(self) -> None:
        self.more = False
