"""Upstream clients that were measured beside the gateway's own (ADR 0012): the same port, other libraries."""

from __future__ import annotations

import httpx
from aiohttp import ClientConnectionError, ClientConnectorError, ClientResponse, ClientSession, DummyCookieJar, TCPConnector
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from gateway_svc.domain.headers import Headers
from gateway_svc.ports import Address, Call, Lost, NotReached

SKIPPED = frozenset({"User-Agent", "Accept", "Accept-Encoding", "Content-Type"})


def session() -> ClientSession:
    connector = TCPConnector(limit=0, keepalive_timeout=4)
    return ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False, skip_auto_headers=SKIPPED)


class AiohttpUpstream:
    """aiohttp's client, as thin as it goes."""

    def __init__(self) -> None:
        self._session = session()

    async def close(self) -> None:
        await self._session.close()

    async def send(self, address: Address, call: Call) -> AiohttpAnswer:
        url = URL(f"http://{address.host}:{address.port}{call.target.decode()}", encoded=True)
        headers = [(name.decode(), value.decode("latin-1")) for name, value in call.headers]
        try:
            response = await self._session.request(
                call.method, url, headers=headers, data=call.rest or call.body or None, allow_redirects=False
            )
        except ClientConnectorError as why:
            raise NotReached(str(why)) from why
        except ClientConnectionError as why:
            raise Lost(str(why)) from why
        return AiohttpAnswer(response)


class AiohttpAnswer:
    def __init__(self, response: ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.raw_headers]

    @property
    def more(self) -> bool:
        return not self._response.content.at_eof()

    async def read(self) -> bytes:
        return await self._response.content.readany()

    def close(self) -> None:
        self._response.release()


class HttpxUpstream:
    """httpx over the aiohttp transport, as the services use it among themselves."""

    def __init__(self) -> None:
        self._transport = AiohttpTransport(client=session)

    async def close(self) -> None:
        await self._transport.aclose()

    async def send(self, address: Address, call: Call) -> HttpxAnswer:
        url = httpx.URL(scheme="http", host=address.host, port=address.port, raw_path=call.target)
        request = httpx.Request(call.method, url, headers=call.headers, content=call.rest or call.body or None)
        try:
            return HttpxAnswer(await self._transport.handle_async_request(request))
        except httpx.ConnectError as why:
            raise NotReached(str(why)) from why
        except httpx.TransportError as why:
            raise Lost(str(why)) from why


class HttpxAnswer:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]
        self.more = True
        self._chunks = response.aiter_raw()

    async def read(self) -> bytes:
        chunk = await anext(self._chunks, None)
        self.more = chunk is not None
        return chunk or b""

    def close(self) -> None:
        self.more = False
