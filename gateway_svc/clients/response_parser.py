"""Parses one HTTP/1.1 response (RFC 9112) with llhttp, the parser of Node.js. No input or output happens here."""

from __future__ import annotations

from enum import Enum, auto

import httptools

from gateway_svc.domain.headers import Headers
from gateway_svc.ports import ConnectionLost

MAX_HEAD_BYTES = 64 * 1024
STATUSES_WITHOUT_BODY = frozenset((204, 304))


class ResponseState(Enum):
    """The part of a response that is expected next."""

    HEAD = auto()
    BODY = auto()
    COMPLETE = auto()


class InvalidResponse(Exception):
    """Raised inside the parser for a response that llhttp accepts and the gateway does not."""


class ResponseParser:
    """Parses the response to one request: `feed` takes the received bytes, `take_body` returns the parsed part of the body.

    Interim responses (1xx) are skipped. A response is rejected if its end could be read in two ways. `status` and `headers` are
    valid once the state is no longer HEAD. `has_received` is True once the first byte has arrived. `allows_reuse` is True if
    the instance keeps the connection open after this response.
    """

    def __init__(self, method: str) -> None:
        self.state = ResponseState.HEAD
        self.status = 0
        self.headers: Headers = []
        self.has_received = False
        self.buffered_bytes = 0
        self.allows_reuse = False
        self._llhttp = httptools.HttpResponseParser(self)
        self._is_head_request = method == "HEAD"
        self._head_bytes = 0
        self._has_body_length = False
        self._chunks: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Parse the next bytes from the connection. Raises ConnectionLost if they do not belong to one valid response."""
        self.has_received = True
        if self.is_complete:
            raise ConnectionLost("The instance sent bytes after its response.")
        try:
            self._llhttp.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise ConnectionLost("The instance sent an invalid HTTP response.") from error
        if self.is_complete:
            del self._llhttp  # It refers to this object: together they would wait for the garbage collector.

    @property
    def is_complete(self) -> bool:
        """True once the last byte of the response has arrived."""
        return self.state is ResponseState.COMPLETE

    @property
    def has_body_bytes(self) -> bool:
        """True if `take_body` would return something."""
        return bool(self._chunks)

    @property
    def is_read(self) -> bool:
        """True if the response is complete and its whole body has been taken."""
        return self.is_complete and not self._chunks

    def take_body(self) -> bytes:
        """Return the part of the body that was parsed since the last call, and forget it."""
        chunks, self._chunks, self.buffered_bytes = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    # llhttp calls the following methods while it parses, in this order for each response.

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise InvalidResponse("two responses to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise InvalidResponse("the head is too large")
        if name == b"content-length" or (name == b"transfer-encoding" and value.lower() == b"chunked"):
            self._has_body_length = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._llhttp.get_status_code()
        if status == 101:
            raise InvalidResponse("the gateway never asks for another protocol")
        if status < 200:
            return
        has_no_body = self._is_head_request or status in STATUSES_WITHOUT_BODY
        if not (self._has_body_length or has_no_body):
            raise InvalidResponse("only the end of the connection would end this body")
        self.status = status
        # llhttp waits for a body that is announced, although none follows in this case (HEAD, 304).
        self.allows_reuse = self._llhttp.should_keep_alive() and not (has_no_body and self._has_body_length)
        self.state = ResponseState.COMPLETE if has_no_body else ResponseState.BODY

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self.buffered_bytes += len(body)

    def on_message_complete(self) -> None:
        if self.state is ResponseState.HEAD:  # an interim response
            self.headers, self._has_body_length = [], False
        else:
            self.state = ResponseState.COMPLETE
