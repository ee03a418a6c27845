"""One HTTP/1.1 connection to an instance, which carries one request and its response at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from gateway_svc.clients.response_parser import ResponseParser, ResponseState
from gateway_svc.ports import ConnectFailed, ConnectionLost, UpstreamRequest

MAX_BUFFERED_BYTES = 256 * 1024


class Connection(asyncio.Protocol):
    """Sends a request, receives its response, and can then be used for the next request if `is_reusable`.

    `response` is the response in progress, or the last one. Received bytes that do not belong to a response in progress close
    the connection, so that no request can ever get a response that was meant for another.
    `on_closed` is called once, when the connection has been closed by either side.
    """

    def __init__(self, on_closed: Callable[[Connection], None]) -> None:
        self.response: ResponseParser | None = None
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._failure: Exception | None = None
        self._upload: asyncio.Task[None] | None = None
        self._response_progress: asyncio.Future[None] | None = None
        self._write_resumed: asyncio.Future[None] | None = None
        self._is_writing_paused = False

    async def send_request(self, head: bytes, request: UpstreamRequest) -> ResponseParser:
        """Send a request, whose encoded head is `head`, and return its response once the response's head has arrived.

        A body that is still arriving is sent in the background. Raises ConnectFailed if the connection is already closed,
        ConnectionLost if it ends too early, or whatever `request.remaining_body` raises.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectFailed("The instance closed the connection at once.")
        self._failure = self._upload = None
        response = self.response = ResponseParser(request.method)
        if request.remaining_body is None:
            self._transport.write(head + request.body)
        else:
            self._transport.write(head)
            self._upload = self._loop.create_task(self._upload_body(request))
        while response.state is ResponseState.HEAD:
            await self._wait_for_progress()
        return response

    async def read_body(self, response: ResponseParser) -> bytes:
        """Return the next bytes of the response's body, b"" at its end. Raises ConnectionLost if the body is cut off."""
        while response.state is ResponseState.BODY and not response.has_body_bytes:
            await self._wait_for_progress()
        body = response.take_body()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return body

    @property
    def is_closed(self) -> bool:
        """True if the connection is closed or is being closed."""
        return self._transport is None or self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """True if the request was sent, its response was read to the end, and both sides keep the connection open."""
        response = self.response
        is_sent = self._upload is None or (self._upload.done() and not self._upload.cancelled())
        is_read = response is None or (response.is_read and response.allows_reuse)
        return is_sent and is_read and not self.is_closed

    def close(self) -> None:
        """Close the connection at once, together with any request in progress."""
        if self._upload is not None:
            self._upload.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _wait_for_progress(self) -> None:
        """Wait until more of the response has arrived or the request has failed. Raises the failure of a request that failed before."""
        if self._failure is not None:
            raise self._failure
        self._response_progress = self._loop.create_future()
        await self._response_progress

    def _fail(self, failure: Exception) -> None:
        """Close the connection. `failure` is raised in the request in progress, unless its response is already complete."""
        if self._failure is None and self.response is not None and not self.response.is_complete:
            self._failure = failure
        _wake(self._response_progress)
        _wake(self._write_resumed)
        if self._transport is not None:
            self._transport.abort()

    # Sending a body that is still arriving

    async def _upload_body(self, request: UpstreamRequest) -> None:
        """Send the body as it arrives. An exception of its source ends the request."""
        assert request.remaining_body is not None
        is_chunked = request.length is None
        try:
            await self._write_part(request.body, is_chunked)
            async for part in request.remaining_body:
                await self._write_part(part, is_chunked)
            if is_chunked:
                self._write(b"0\r\n\r\n")
        except Exception as error:
            self._fail(error)

    async def _write_part(self, part: bytes, is_chunked: bool) -> None:
        """Write a part of a body, and wait until the instance has taken most of what was written."""
        if part:
            self._write(b"%x\r\n%b\r\n" % (len(part), part) if is_chunked else part)
        while self._is_writing_paused and not self.is_closed:
            self._write_resumed = self._loop.create_future()
            await self._write_resumed

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # asyncio.Protocol: the event loop calls these methods.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio.Transport

    def data_received(self, data: bytes) -> None:
        response = self.response
        if response is None or self._failure is not None:
            return self._fail(ConnectionLost("The instance sent bytes without a request."))
        try:
            response.feed(data)
        except ConnectionLost as lost:
            return self._fail(lost)
        if response.buffered_bytes > MAX_BUFFERED_BYTES and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._response_progress)

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionLost("The instance closed the connection."))
        self._transport = None
        self._on_closed(self)

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        _wake(self._write_resumed)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
