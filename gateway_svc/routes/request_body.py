"""Reads the body of a client's request as it arrives, within the limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope

from gateway_svc.routes.refusals import BodyTooSlow, MalformedRequest
from shared.kit.problems import BodyTooLarge


class ClientDisconnected(Exception):
    """Raised when the client has closed its connection, so that no response can be sent."""


class RequestBody:
    """Reads the body of one request, up to `max_bytes`. `length` is the size in bytes that the client announced; None means a chunked body.

    `is_complete` is True, and the event `completed` is set, once the whole body has arrived.
    """

    def __init__(self, scope: Scope, receive: Receive, timeout_seconds: float, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        headers = dict(scope["headers"])
        self.length = _announced_length(headers)
        self.is_complete = self.length == 0
        self.completed = asyncio.Event()
        if self.is_complete:
            self.completed.set()
        self._receive = receive
        self._expects_continue = b"expect" in headers
        self._received_bytes = 0
        self._deadline = asyncio.get_running_loop().time() + timeout_seconds

    async def read_first_part(self) -> bytes:
        """Return the first part of the body, which is nearly always the whole body.

        Raises BodyTooLarge, BodyTooSlow, MalformedRequest or ClientDisconnected.
        """
        if self.length is not None and self.length > self._max_bytes:
            raise BodyTooLarge
        part = b"" if self.is_complete else await self._read_part()
        if self.is_complete:
            self.length = self._received_bytes
        return part

    async def remaining_parts(self) -> AsyncIterator[bytes]:
        """Yield the rest of the body as it arrives. Raises the same as `read_first_part`."""
        while not self.is_complete:
            yield await self._read_part()

    async def _read_part(self) -> bytes:
        try:
            async with asyncio.timeout_at(self._deadline):
                part = await self._receive_part()
        except TimeoutError:
            raise BodyTooSlow from None
        if self._received_bytes > self._max_bytes:
            raise BodyTooLarge
        if self.length is not None and not self._agrees_with(self.length):
            raise MalformedRequest("The body is not as long as Content-Length says.")
        return part

    async def _receive_part(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part: bytes = message.get("body", b"")
        self._received_bytes += len(part)
        if not message.get("more_body", False):
            self.is_complete = True
            self.completed.set()
        return part

    def _agrees_with(self, length: int) -> bool:
        return self._received_bytes == length if self.is_complete else self._received_bytes <= length

    @property
    def may_be_withheld(self) -> bool:
        """True if the client waits for a 100 response before it sends its body, and may not send it after a refusal (RFC 9110, 10.1.1)."""
        return self._expects_continue and not self.is_complete

    async def wait_for_disconnect(self) -> None:
        """Return when the client disconnects. Until the body is complete, only its reader is notified, so this waits for that first."""
        await self.completed.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _announced_length(headers: dict[bytes, bytes]) -> int | None:
    if b"transfer-encoding" in headers:
        return None
    length = headers.get(b"content-length", b"0")
    if not (length.isdigit() and len(length) < 16):
        raise MalformedRequest("Content-Length is a number.")
    return int(length)
