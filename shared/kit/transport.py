"""A call to an app in the same process, without a socket: straight into ASGI, in a context of its own, its faults kept apart."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


class InProcessTransport(httpx.AsyncBaseTransport):
    """`app` is looked up at each call, so that a service may come up after its callers."""

    def __init__(self, app: Callable[[], ASGIApp | None]) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self._app()
        if app is None:
            raise httpx.ConnectError("not running")
        call = _Call(await request.aread())
        task = asyncio.create_task(_run(app, _scope(request), call), context=contextvars.Context())
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        except Exception:
            call.status = call.status or 500
        return httpx.Response(call.status, headers=call.headers, content=b"".join(call.chunks))


async def _run(app: ASGIApp, scope: dict[str, Any], call: _Call) -> None:
    await app(scope, call.receive, call.send)


class _Call:
    def __init__(self, body: bytes) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._answered = asyncio.Event()
        self.status, self.headers, self.chunks = 0, list[tuple[bytes, bytes]](), list[bytes]()

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self._answered.wait()  # the caller waits: it has not hung up
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._answered.set()


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
