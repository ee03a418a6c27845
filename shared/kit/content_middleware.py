"""The middleware of every service for what HTTP says about all responses alike (RFC 9110): HEAD, conditional requests and compression.

- HEAD is answered like GET, without the content (section 9.3.2).
- GET and HEAD with an `If-None-Match` that names the ETag of the response are answered with 304 (section 13.1.2).
- Responses of MIN_COMPRESSED_BYTES and more are compressed for clients that accept gzip. Their ETag is the version of the resource and
  stays as it is. Responses that carry tokens, which `Pragma: no-cache` marks, are never compressed.

It is the innermost middleware, so that it sees the responses of all routes and exception handlers.
"""

from __future__ import annotations

import asyncio
import zlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kit.content_negotiation import accepts_gzip, names_entity_tag

MIN_COMPRESSED_BYTES = 1024
# Level 4 costs half the time of the usual 6, and its result is a few percent larger.
COMPRESSION_LEVEL = 4
GZIP_WINDOW_BITS = 31
# From this size on, compressing takes about a millisecond, in which a thread leaves the event loop to other requests.
MIN_BYTES_FOR_THREAD = 256 * 1024
COMPRESSED_TYPES = (b"text/", b"application/json", b"application/problem+json", b"application/javascript")
VARY_ENCODING = (b"vary", b"Accept-Encoding")
# A 304 response carries the headers of the 200 response that do not describe its content (RFC 9110 section 15.4.5).
CONTENT_HEADERS = frozenset((b"content-length", b"content-type", b"content-disposition", b"content-language", b"accept-ranges"))
RECOMPUTED_HEADERS = frozenset((b"content-length", b"accept-ranges"))


class ContentMiddleware:
    """Answers HEAD and conditional requests, and compresses responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        sent_tags, accepted = _read_headers(scope)
        method = scope["method"]
        content = ContentSender(send, sent_tags if method in ("GET", "HEAD") else "", accepted, is_head=method == "HEAD")
        if method != "HEAD":
            return await self._app(scope, receive, content.send)
        get_scope = {**scope, "method": "GET"}
        try:
            await self._app(get_scope, receive, content.send)
        finally:
            scope["route"] = get_scope.get("route")  # RequestMiddleware reads it for the log line and the metrics


def _read_headers(scope: Scope) -> tuple[str, str]:
    """Return the values of If-None-Match and Accept-Encoding, each joined to one list; an empty text if the header is absent."""
    tags: list[bytes] = []
    codings: list[bytes] = []
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            tags.append(value)
        elif name == b"accept-encoding":
            codings.append(value)
    return b",".join(tags).decode("latin-1"), b",".join(codings).decode("latin-1")


class ContentSender:
    """Passes on the messages of one response: unchanged, without the content (HEAD, 304), or with the content compressed."""

    def __init__(self, send: Send, sent_tags: str, accepted_encodings: str, *, is_head: bool) -> None:
        self._send, self._sent_tags, self._accepted_encodings = send, sent_tags, accepted_encodings
        self._is_without_content = is_head
        self._held_start: Message | None = None
        self._compressor: zlib._Compress | None = None

    async def send(self, message: Message) -> None:
        """Pass on one ASGI message of the response."""
        if message["type"] == "http.response.start":
            await self._start(message)
            return
        if message["type"] == "http.response.body":
            message = await self._with_right_content(message)
        await self._send(message)

    async def _start(self, message: Message) -> None:
        """Decide how the response is sent. The start of a compressed one is held back until its length is known."""
        headers = {name.lower(): value for name, value in message["headers"]}
        if _may_be_compressed(message["status"], headers):
            message = {**message, "headers": [*message["headers"], VARY_ENCODING]}
            if accepts_gzip(self._accepted_encodings):
                self._held_start = message
        if self._sent_tags and _is_current(message["status"], headers, self._sent_tags):
            self._held_start, self._is_without_content = None, True
            kept = [header for header in message["headers"] if header[0].lower() not in CONTENT_HEADERS]
            message = {**message, "status": 304, "headers": kept}
        if self._held_start is None:
            await self._send(message)

    async def _with_right_content(self, message: Message) -> Message:
        body, has_more = message.get("body", b""), message.get("more_body", False)
        if self._held_start is not None or self._compressor is not None:
            body = await self._compress(body, has_more)
        return {**message, "body": b"" if self._is_without_content else body}

    async def _compress(self, body: bytes, has_more: bool) -> bytes:
        """Return the next part of the compressed content. The start of the response is sent before the first part."""
        self._compressor = self._compressor or zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, GZIP_WINDOW_BITS)
        if len(body) < MIN_BYTES_FOR_THREAD:
            compressed = _compressed_part(self._compressor, body, has_more)
        else:
            compressed = await asyncio.to_thread(_compressed_part, self._compressor, body, has_more)
        if self._held_start is not None:
            start, self._held_start = self._held_start, None
            headers = [header for header in start["headers"] if header[0].lower() not in RECOMPUTED_HEADERS]
            headers.append((b"content-encoding", b"gzip"))
            if not has_more:
                headers.append((b"content-length", b"%d" % len(compressed)))
            await self._send({**start, "headers": headers})
        return compressed


def _compressed_part(compressor: zlib._Compress, body: bytes, has_more: bool) -> bytes:
    return compressor.compress(body) + compressor.flush(zlib.Z_SYNC_FLUSH if has_more else zlib.Z_FINISH)


def _may_be_compressed(status: int, headers: dict[bytes, bytes]) -> bool:
    """True for text of MIN_COMPRESSED_BYTES and more, or of unknown length, that is not encoded already and carries no token."""
    length = headers.get(b"content-length")
    return (
        (length is None or int(length) >= MIN_COMPRESSED_BYTES)
        and status not in (204, 206, 304)
        and headers.get(b"content-type", b"").startswith(COMPRESSED_TYPES)
        and b"content-encoding" not in headers
        and headers.get(b"pragma") != b"no-cache"
    )


def _is_current(status: int, headers: dict[bytes, bytes], sent_tags: str) -> bool:
    """True if the client has this response already. One that depends on more than the request (`Vary: *`) is always sent."""
    if status != 200 or b"etag" not in headers or headers.get(b"vary") == b"*":
        return False
    return names_entity_tag(sent_tags, headers[b"etag"].decode("latin-1"))
