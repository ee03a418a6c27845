"""What the door takes: how long a URL, how many headers, how large and how slow a body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Message, Receive, Scope, Send

from gateway_svc.domain import headers, paths
from shared.kit.problems import BodyTooLarge, Malformed

LONGEST_URL = 4 * 1024
MOST_HEADERS = 64
LARGEST_HEADERS = 16 * 1024
LARGEST_BODY = 64 * 1024
DRAINED_BYTES, DRAINED_SECONDS = 1024 * 1024, 2.0
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class UrlTooLong(Malformed):
    """A path with its query is at most 4 KiB."""

    code = "url_too_long"
    detail = "A path with its query is at most 4 KiB."
    status = 414


class HeadersTooLarge(Malformed):
    """At most 64 headers, and at most 16 KiB of them."""

    code = "headers_too_large"
    detail = "At most 64 headers, and at most 16 KiB of them."
    status = 431


class MalformedRequest(Malformed):
    """This is not how HTTP is spoken."""

    code = "malformed_request"
    detail = "This is not how HTTP is spoken."


class MethodNotAllowed(Malformed):
    """This API knows GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS."""

    code = "method_not_allowed"
    detail = "This API knows GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS."
    status = 405


class BodyTooSlow(Malformed):
    """The body did not come in time."""

    code = "body_too_slow"
    detail = "The body did not come in time."
    status = 408


class ClientGone(Exception):
    """Nobody is there to answer."""


def check(scope: Scope) -> None:
    """Refuses a head that is too large, or that two readers could read in two ways."""
    if len(raw_path(scope)) + len(scope["query_string"]) + 1 > LONGEST_URL:
        raise UrlTooLong
    if len(scope["headers"]) > MOST_HEADERS or headers.size_of(scope["headers"]) > LARGEST_HEADERS:
        raise HeadersTooLarge
    if not paths.is_plain(scope["query_string"]) or headers.repeated(scope["headers"]):
        raise MalformedRequest


def raw_path(scope: Scope) -> bytes:
    """The path as it was sent."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    return raw


class Body:
    """The body of a request as it arrives: counted, timed, and complete or refused."""

    def __init__(self, scope: Scope, receive: Receive, seconds: float) -> None:
        self._receive, self._until = receive, asyncio.get_running_loop().time() + seconds
        named = dict(scope["headers"])
        self.length = _length(named)
        self.complete, self.ended = self.length == 0, asyncio.Event()
        if self.complete:
            self.ended.set()
        self.expected = b"expect" in named
        self.size = 0

    async def first(self) -> bytes:
        """What is here of it. Nearly always that is all."""
        if self.length is not None and self.length > LARGEST_BODY:
            raise BodyTooLarge
        chunk = b"" if self.complete else await self._next()
        if self.complete:
            self.length = self.size
        return chunk

    async def rest(self) -> AsyncIterator[bytes]:
        while not self.complete:
            yield await self._next()

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        self.size += len(chunk)
        self._note_end(message)
        if self.size > LARGEST_BODY:
            raise BodyTooLarge
        if self.length is not None and (self.size > self.length or (self.complete and self.size < self.length)):
            raise MalformedRequest("The body is not as long as it says.")
        return chunk

    def _note_end(self, message: Message) -> None:
        if not message.get("more_body", False):
            self.complete = True
            self.ended.set()

    async def drained(self) -> bool:
        """Reads on for a moment, so that a client which only writes gets to read its refusal; False: hang up afterwards."""
        if self.expected:
            return self.complete
        try:
            async with asyncio.timeout(DRAINED_SECONDS):
                while not self.complete and self.size < DRAINED_BYTES:
                    message = await self._receive()
                    self.size += len(message.get("body", b""))
                    self._note_end(message)
        except TimeoutError:
            return False
        return self.complete


def _length(named: dict[bytes, bytes]) -> int | None:
    """The announced length; None where the body says itself when it ends."""
    if b"transfer-encoding" in named:
        return None
    announced = named.get(b"content-length", b"0")
    if not (announced.isdigit() and len(announced) < 16):
        raise MalformedRequest("Content-Length is a number.")
    return int(announced)


def closing(send: Send) -> Send:
    """An answer after which the connection ends."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return sending
