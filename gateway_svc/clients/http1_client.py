"""The HTTP/1.1 client of the gateway, with a pool of open connections. ADR 0012 explains why it is not a library's."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import defaultdict
from collections.abc import Callable

from gateway_svc.clients.connection import Connection
from gateway_svc.clients.response_parser import ResponseParser
from gateway_svc.domain.headers import Headers
from gateway_svc.ports import ConnectFailed, ConnectionLost, InstanceAddress, UpstreamRequest

# Shorter than the idle time of servers (uvicorn: 5 s), so that a request rarely meets a connection that is just being closed.
MAX_IDLE_SECONDS = 4.0
CONNECT_TIMEOUT_SECONDS = 2.0


class Http1Client:
    """Implements UpstreamClient. Belongs to one event loop; leaving its context closes all connections."""

    def __init__(self) -> None:
        self._idle: dict[InstanceAddress, list[tuple[float, Connection]]] = defaultdict(list)
        self._open: set[Connection] = set()
        self._ssl_context: ssl.SSLContext | None = None

    async def __aenter__(self) -> Http1Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in tuple(self._open):
            connection.close()
        await asyncio.sleep(0)  # the event loop now reports to each connection that it is closed

    async def send(self, address: InstanceAddress, request: UpstreamRequest) -> Http1Response:
        """Send the request on an idle connection if there is one, else on a new one.

        An instance may close an idle connection at the moment when it is used: a retryable request of which no response has
        arrived is then sent again on a new connection. Raises ConnectFailed, ConnectionLost, or whatever `request.remaining_body` raises.
        """
        head = request_head(address, request)
        connection = self._take_idle_connection(address)
        if connection is not None:
            try:
                return await self._send_on(connection, address, head, request)
            except ConnectionLost:
                if not request.is_retryable or (connection.response is not None and connection.response.has_received):
                    raise
        return await self._send_on(await self._connect(address), address, head, request)

    async def _send_on(self, connection: Connection, address: InstanceAddress, head: bytes, request: UpstreamRequest) -> Http1Response:
        try:
            response = await connection.send_request(head, request)
        except BaseException:
            connection.close()
            raise
        return Http1Response(connection, response, self._idle[address].append)

    def _take_idle_connection(self, address: InstanceAddress) -> Connection | None:
        idle = self._idle[address]
        while idle:
            idle_since, connection = idle.pop()
            if not connection.is_closed and time.monotonic() - idle_since < MAX_IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def _connect(self, address: InstanceAddress) -> Connection:
        ssl_context, server_name = (self._get_ssl_context(), address.name.partition(":")[0]) if address.tls else (None, None)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._open.discard), address.host, address.port, ssl=ssl_context, server_hostname=server_name
                )
        except (OSError, TimeoutError) as error:
            raise ConnectFailed(str(error)) from error
        self._open.add(connection)
        return connection

    def _get_ssl_context(self) -> ssl.SSLContext:
        self._ssl_context = self._ssl_context or ssl.create_default_context()
        return self._ssl_context


class Http1Response:
    """Implements UpstreamResponse. `add_idle` takes the connection back, with the current time, if it can be used again."""

    def __init__(self, connection: Connection, response: ResponseParser, add_idle: Callable[[tuple[float, Connection]], None]) -> None:
        self._connection, self._response, self._add_idle = connection, response, add_idle
        self.status: int = response.status
        self.headers: Headers = response.headers

    @property
    def has_more(self) -> bool:
        """True until the whole body has been read."""
        return not self._response.is_read

    async def read_chunk(self) -> bytes:
        """Return the next bytes of the body, b"" at its end. Raises ConnectionLost if the body is cut off."""
        return await self._connection.read_body(self._response)

    def close(self) -> None:
        """Return the connection to the pool, or close it if it cannot be used again."""
        if self._connection.is_reusable:
            self._add_idle((time.monotonic(), self._connection))
        else:
            self._connection.close()


def request_head(address: InstanceAddress, request: UpstreamRequest) -> bytes:
    """Return the encoded request line and headers.

    Raises ValueError if a part of it contains a line end, which would start a second request.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.target), b"host: " + address.name.encode()]
    lines += [name + b": " + value for name, value in request.headers]
    if request.length is None:
        lines.append(b"transfer-encoding: chunked")
    elif request.length or request.method not in ("GET", "HEAD", "OPTIONS", "DELETE", "TRACE"):
        lines.append(b"content-length: %d" % request.length)
    head = b"\r\n".join(lines)
    line_ends = len(lines) - 1
    if head.count(b"\n") != line_ends or head.count(b"\r") != line_ends or b"\0" in head or b" " in request.target:
        raise ValueError("a line end in a header")
    return head + b"\r\n\r\n"
