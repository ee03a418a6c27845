"""The upstream client: HTTP/1.1 connections to instances, kept while idle and given to the next call."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import defaultdict
from functools import partial

from gateway_svc.clients.connection import Connection
from gateway_svc.domain.headers import Headers
from gateway_svc.ports import Address, Call, Lost, NotReached

# Below what servers usually wait (uvicorn: 5 s), so that a call seldom meets a connection that is just being closed.
IDLE_SECONDS = 4.0
CONNECT_SECONDS = 2.0


class Http1Upstream:
    """One per event loop. ADR 0012 says why it is ours."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[tuple[float, Connection]]] = defaultdict(list)
        self._open: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Http1Upstream:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in tuple(self._open):
            connection.abort()
        await asyncio.sleep(0)

    async def send(self, address: Address, call: Call) -> Http1Answer:
        """As the port has it. A kept connection that was closed under a repeatable call is replaced by a new one."""
        head = head_of(address, call)
        connection = self._kept(address) or await self._connect(address)
        try:
            return await self._exchanged(address, connection, head, call)
        except Lost:
            if connection.used == 1 or connection.seen or not call.is_repeatable:
                raise
        return await self._exchanged(address, await self._connect(address), head, call)

    async def _exchanged(self, address: Address, connection: Connection, head: bytes, call: Call) -> Http1Answer:
        try:
            await connection.exchange(head, call)
        except BaseException:
            connection.abort()
            raise
        return Http1Answer(connection, partial(self._keep, address))

    def _kept(self, address: Address) -> Connection | None:
        idle = self._idle[address]
        while idle:
            since, connection = idle.pop()
            if not connection.is_closed and time.monotonic() - since < IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    def _keep(self, address: Address, connection: Connection) -> None:
        self._idle[address].append((time.monotonic(), connection))

    async def _connect(self, address: Address) -> Connection:
        loop = asyncio.get_running_loop()
        tls, name = (self._context(), address.name.partition(":")[0]) if address.tls else (None, None)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(self._made, address.host, address.port, ssl=tls, server_hostname=name)
        except (OSError, TimeoutError) as why:
            raise NotReached(str(why)) from why
        self._open.add(connection)
        return connection

    def _made(self) -> Connection:
        return Connection(self._open.discard)

    def _context(self) -> ssl.SSLContext:
        self._tls = self._tls or ssl.create_default_context()
        return self._tls


class Http1Answer:
    """As the port has it; its connection goes back to the idle ones when nothing is left on it."""

    def __init__(self, connection: Connection, keep: partial[None]) -> None:
        self._connection, self._keep = connection, keep
        self.status: int = connection.status
        self.headers: Headers = connection.headers
        self.read = connection.read

    @property
    def more(self) -> bool:
        return self._connection.more

    def close(self) -> None:
        if self._connection.is_free:
            self._keep(self._connection)
        else:
            self._connection.abort()


def head_of(address: Address, call: Call) -> bytes:
    """The request's head. A line end inside a header would be a second request: it is refused here, whoever let it through."""
    lines = [b"%b %b HTTP/1.1" % (call.method.encode(), call.target), b"host: " + address.name.encode()]
    lines += [name + b": " + value for name, value in call.headers]
    if call.length is None:
        lines.append(b"transfer-encoding: chunked")
    elif call.length or call.method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
        lines.append(b"content-length: %d" % call.length)
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head or call.target.count(b" "):
        raise ValueError("a line end in a header")
    return head + b"\r\n\r\n"
