"""Alternatives to the gateway's own upstream client (ADR 0012): the same port, implemented with other libraries."""

from __future__ import annotations

import httpx
from aiohttp import ClientConnectionError, ClientConnectorError, ClientResponse, ClientSession, DummyCookieJar, TCPConnector
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from gateway_svc.domain.headers import Headers
from gateway_svc.ports import ConnectFailed, ConnectionLost, InstanceAddress, UpstreamRequest

SKIPPED_HEADERS = frozenset({"User-Agent", "Accept", "Accept-Encoding", "Content-Type"})


def new_session() -> ClientSession:
    connector = TCPConnector(limit=0, keepalive_timeout=4)
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False, skip_auto_headers=SKIPPED_HEADERS)


class AiohttpClient:
    """aiohttp's client with as little code around it as possible."""

    def __init__(self) -> None:
        self._session = new_session()

    async def close(self) -> None:
        await self._session.close()

    async def send(self, address: InstanceAddress, request: UpstreamRequest) -> AiohttpResponse:
        url = URL(f"http://{address.host}:{address.port}{request.target.decode()}", encoded=True)
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
        try:
            response = await self._session.request(
                request.method, url, headers=headers, data=request.remaining_body or request.body or None, allow_redirects=False
            )
        except ClientConnectorError as error:
            raise ConnectFailed(str(error)) from error
        except ClientConnectionError as error:
            raise ConnectionLost(str(error)) from error
        return AiohttpResponse(response)


class AiohttpResponse:
    def __init__(self, response: ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.raw_headers]

    @property
    def has_more(self) -> bool:
        return not self._response.content.at_eof()

    async def read_chunk(self) -> bytes:
        return await self._response.content.readany()

    def close(self) -> None:
        self._response.release()


class HttpxClient:
    """httpx over the aiohttp transport: the client that the services use for calls to each other."""

    def __init__(self) -> None:
        self._transport = AiohttpTransport(client=new_session)

    async def close(self) -> None:
        await self._transport.aclose()

    async def send(self, address: InstanceAddress, request: UpstreamRequest) -> HttpxResponse:
        url = httpx.URL(scheme="http", host=address.host, port=address.port, raw_path=request.target)
        http_request = httpx.Request(request.method, url, headers=request.headers, content=request.remaining_body or request.body or None)
        try:
            return HttpxResponse(await self._transport.handle_async_request(http_request))
        except httpx.ConnectError as error:
            raise ConnectFailed(str(error)) from error
        except httpx.TransportError as error:
            raise ConnectionLost(str(error)) from error


class HttpxResponse:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]
        self.has_more = True
        self._chunks = response.aiter_raw()

    async def read_chunk(self) -> bytes:
        chunk = await anext(self._chunks, None)
        self.has_more = chunk is not None
        return chunk or b""

    def close(self) -> None:
        self.has_more = False
