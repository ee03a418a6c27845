"""A receiver of webhooks on a real socket that answers as a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, body: str = "", **headers: str) -> bytes:
    """Return an answer with a body and headers; an underscore in a name stands for a hyphen."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass(frozen=True)
class ReceivedWebhook:
    """A request that the endpoint received. The names of headers are in small letters."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.body)
        return facts


Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class WebhookEndpoint:
    """`answers` are given first, then `usual_answer`. An answer is bytes, or a function that writes to the connection."""

    url: str = ""
    usual_answer: Answer = OK
    answers: list[Answer] = field(default_factory=list)
    received: list[ReceivedWebhook] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    open_now: int = 0
    most_open: int = 0

    @property
    def types(self) -> list[str]:
        return [request.facts["type"] for request in self.received]

    @property
    def sequences(self) -> list[int]:
        return [request.facts["sequence"] for request in self.received]

    async def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Wait until a condition is true that requests change."""
        while not is_true():
            self.changed.clear()
            await self.changed.wait()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_now += 1
        self.most_open = max(self.open_now, self.most_open)
        self.changed.set()
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer(reader, writer)
        self.open_now -= 1
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(ReceivedWebhook(head[0].split(" ")[1], headers, body.decode()))
        self.changed.set()
        chosen = self.answers.pop(0) if self.answers else self.usual_answer
        if isinstance(chosen, bytes):
            writer.write(chosen)
            await writer.drain()
        else:
            await chosen(writer)


@asynccontextmanager
async def webhook_endpoint() -> AsyncIterator[WebhookEndpoint]:
    """Run an endpoint on a free port of this machine."""
    endpoint = WebhookEndpoint()
    server = await asyncio.start_server(endpoint.handle, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield endpoint
    finally:
        server.close()
