"""The HTTP/1.1 server protocol of the gateway: uvicorn's, with limits on the head of a request that uvicorn does not have.

Start uvicorn with `--http gateway_svc.routes.listener:Listener`. The head is the request line and the headers. Without these limits
a head without end would fill the memory, and a client that sends no head would keep its connection, before any middleware runs.
Bytes that are not HTTP are answered with a problem document too.

A client may be sending the body of its request when the response is complete already, such as a 413. The rest of the body is read and
discarded, up to `max_discarded_bytes` and `max_discard_seconds`: closing the connection at once would reset it, and the client would
lose the response (RFC 9112 section 9.6).

An offer to change the protocol (`Upgrade: h2c`, which Java's HttpClient sends) is ignored, as RFC 9110 section 7.8 allows. The parser stops
behind the head of such a request and would lose its body, so the head is parsed again without the Upgrade header.
"""

from __future__ import annotations

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway_svc.routes.refusals import HeadersTooLarge, HeadTooSlow, MalformedRequest
from shared.kit.problems import HttpRefusal, problem_response

# More than ProxyMiddleware allows for URL and headers together, so that it can refuse most oversized heads with the exact reason.
MAX_HEAD_BYTES = 32 * 1024


class Listener(HttpToolsProtocol):
    """Serves one connection of a client. A timer runs while it waits for the first head, or for the rest of a later one."""

    head_timeout_seconds = 10.0
    max_discarded_bytes = 32 * 1024 * 1024
    max_discard_seconds = 15.0
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0
    _discarded_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self._refuse(MalformedRequest())
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge())
        elif self._timer is None:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._offers_upgrade():
            return
        super().on_headers_complete()
        self._in_head = False
        self._stop_timer()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > self.max_discarded_bytes:
                self.transport.close()

    def on_message_complete(self) -> None:
        if self._offers_upgrade():
            return
        super().on_message_complete()
        if self.cycle.response_complete:  # the body has been discarded
            self._stop_timer()
            self._start_keep_alive_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._discarded_bytes = 0
            self._timer = self.loop.call_later(self.max_discard_seconds, self.transport.close)

    def _start_keep_alive_timer(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _parse(self, data: bytes) -> None:
        """Feed the parser. Raises HttpParserError."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stop:
                if not self._offers_upgrade():  # The method is CONNECT, which the app refuses.
                    return
                data = self._head_without_upgrade() + data[stop.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _offers_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        request_line = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        headers = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([request_line, *headers, b"", b""])

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_timeout_seconds, self._on_timeout)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timeout(self) -> None:
        if not self.transport.is_closing():
            self._refuse(HeadTooSlow())

    def _refuse(self, refusal: HttpRefusal) -> None:
        self._stop_timer()
        if self._can_respond():
            self.transport.write(_encoded_response(refusal))
        self.transport.close()

    def _can_respond(self) -> bool:
        """False if the client would take the response for the response to another request on this connection."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return not (self._in_head or self.pipeline or self.cycle.response_started)


def _encoded_response(refusal: HttpRefusal) -> bytes:
    response = problem_response(refusal, instance="")
    lines = [b"%b: %b" % header for header in [*response.raw_headers, (b"connection", b"close")]]
    return STATUS_LINE[refusal.status] + b"\r\n".join([*lines, b"", b""]) + bytes(response.body)
