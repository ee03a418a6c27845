"""HTTP calls to an ASGI app in the same process, without a socket."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


class InProcessTransport(httpx.AsyncBaseTransport):
    """Calls the app that `find_app` returns at each call, because a service may start after its clients. None means that it does not run.

    The app runs in a task with an empty context: as in a separate process, it does not see the caller's context variables. An exception of
    the app becomes a 500 response.
    """

    def __init__(self, find_app: Callable[[], ASGIApp | None]) -> None:
        self._find_app = find_app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self._find_app()
        if app is None:
            raise httpx.ConnectError("not running")
        exchange = _Exchange(await request.aread())
        task = asyncio.create_task(_run(app, _scope(request), exchange), context=contextvars.Context())
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        except Exception:
            exchange.status = exchange.status or 500
        content = b"" if request.method == "HEAD" else b"".join(exchange.chunks)  # as servers do
        return httpx.Response(exchange.status, headers=exchange.headers, content=content)


async def _run(app: ASGIApp, scope: dict[str, Any], exchange: _Exchange) -> None:
    await app(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its response, as the ASGI app receives and sends them."""

    def __init__(self, body: bytes) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._response_complete = asyncio.Event()
        self.status, self.headers, self.chunks = 0, list[tuple[bytes, bytes]](), list[bytes]()

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self._response_complete.wait()  # until then the caller is waiting, which means that it is connected
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._response_complete.set()


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 0),
        "server": (request.url.host, request.url.port),
        "state": {},
    }
