"""One HTTP/1.1 connection to an instance (RFC 9112), carrying one exchange at a time; parsing is llhttp's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from gateway_svc.domain.headers import Headers
from gateway_svc.ports import Call, Lost, NotReached

HIGH_WATER = 256 * 1024
LARGEST_HEAD = 64 * 1024
BODILESS = frozenset((204, 304))


class Connection(asyncio.Protocol):
    """Whatever does not look like the answer to the one request under way ends the connection, never the next exchange."""

    status: int
    headers: Headers
    seen: bool
    _chunks: list[bytes]
    _whole: bool

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[None] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._writable = True
        self._clear("GET")
        self.used = 0

    # The exchange

    async def exchange(self, head: bytes, call: Call) -> None:
        """Sends `head` and the call's body; returns when the answer's head is here."""
        if self._transport is None or self._transport.is_closing():
            raise NotReached("it hung up at once")
        self._clear(call.method)
        self.used += 1
        self._head = self._loop.create_future()
        self._transport.write(head + call.body if call.rest is None else head)
        if call.rest is not None:
            self._pump = self._loop.create_task(self._pumped(call))
        await self._head

    @property
    def more(self) -> bool:
        return not self._whole or bool(self._chunks)

    async def read(self) -> bytes:
        """The next bytes of the body; b"" only at its end."""
        while not self._chunks and not self._whole:
            if self._broken is not None:
                raise self._broken
            self._reader = self._loop.create_future()
            await self._reader
        chunks, self._chunks, self._held = self._chunks, [], 0
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @property
    def is_free(self) -> bool:
        """Whether the next exchange may use it: everything was sent, everything was read, and both sides will stay."""
        sent = self._pump is None or (self._pump.done() and not self._pump.cancelled())
        return sent and self._whole and self._stays and self._broken is None and not self.is_closed

    @property
    def is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def abort(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _clear(self, method: str) -> None:
        self.status, self.headers = 0, Headers()
        self._method, self._head, self._reader, self._pump = method, None, None, None
        self._chunks, self._held, self._head_size = [], 0, 0
        self._framed = self._whole = self._stays = self.seen = False
        self._broken: Exception | None = None

    async def _pumped(self, call: Call) -> None:
        """The body goes up as it comes; a failure of its source is the exchange's."""
        assert call.rest is not None
        try:
            await self._sent(call.body, call.length)
            async for chunk in call.rest:
                await self._sent(chunk, call.length)
            if call.length is None:
                self._write(b"0\r\n\r\n")
        except Exception as why:
            self._fail(why)

    async def _sent(self, chunk: bytes, length: int | None) -> None:
        if chunk:
            self._write(chunk if length is not None else b"%x\r\n%b\r\n" % (len(chunk), chunk))
        while not self._writable and not self.is_closed:
            self._writer = self._loop.create_future()
            await self._writer

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _fail(self, why: Exception) -> None:
        """The exchange ends here, and the connection with it."""
        if not self._whole and self._broken is None:
            self._broken = why
            if self._head is not None and not self._head.done():
                self._head.set_exception(why)
            _wake(self._reader)
        _wake(self._writer)
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if self._head is None or self._whole or self._broken is not None:
            return self._fail(Lost("it spoke unasked"))
        self.seen = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Lost("it does not speak HTTP"))

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(Lost("it hung up"))
        self._transport = None
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        _wake(self._writer)

    # httptools

    def on_message_begin(self) -> None:
        if self._whole:
            raise Lost("it answered twice")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._head_size += len(name) + len(value)
        if self._head_size > LARGEST_HEAD:
            raise Lost("its head is too large")
        self._framed = self._framed or name == b"content-length" or (name == b"transfer-encoding" and value.lower() == b"chunked")
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 101:
            raise Lost("it changed protocol unasked")
        if status < 200:
            return
        bodiless = self._method == "HEAD" or status in BODILESS
        if not (self._framed or bodiless):
            raise Lost("nobody could tell where its answer ends")
        self.status = status
        # llhttp waits for a body that is announced and never comes (HEAD, 304): such a connection is used once.
        self._stays = self._parser.should_keep_alive() and not (bodiless and self._framed)
        self._whole = bodiless
        assert self._head is not None
        if not self._head.done():
            self._head.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._held += len(body)
        if self._held > HIGH_WATER and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._reader)

    def on_message_complete(self) -> None:
        if not self.status:
            self.headers, self._framed = Headers(), False
            return
        self._whole = True
        _wake(self._reader)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
