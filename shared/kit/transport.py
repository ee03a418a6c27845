"""HTTP calls to an ASGI app in the same process, without a socket."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

MAX_CHUNKS_AHEAD = 4
"""So many parts of a response the app can send before the first of them is read."""


class InProcessTransport(httpx.AsyncBaseTransport):
    """Calls the app that `find_app` returns at each call, because a service may start after its clients. None means that it does not run.

    The app runs in a task with an empty context: as in a separate process, it does not see the caller's context variables. The response is
    returned when the app starts it, and its body is read while the app produces it. An exception of the app before that becomes a 500
    response; later it breaks the response off. Timeouts of httpx are ignored.
    """

    def __init__(self, find_app: Callable[[], ASGIApp | None]) -> None:
        self._find_app = find_app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self._find_app()
        if app is None:
            raise httpx.ConnectError("not running")
        exchange = _Exchange(await request.aread(), has_content=request.method != "HEAD")
        task = asyncio.create_task(exchange.run(app, _scope(request)), context=contextvars.Context())
        try:
            await exchange.wait_for_start()
        except BaseException:
            task.cancel()
            raise
        return httpx.Response(exchange.status, headers=exchange.headers, stream=_ResponseBody(exchange, task))


class _Exchange:
    """One request and its response, as the ASGI app receives and sends them."""

    def __init__(self, body: bytes, *, has_content: bool) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._has_content = has_content
        self._started, self._disconnected = asyncio.Event(), asyncio.Event()
        self._room = asyncio.Semaphore(MAX_CHUNKS_AHEAD)
        self._chunks = asyncio.Queue[bytes | None]()  # None is the end
        self._is_complete = False
        self._error: BaseException | None = None
        self.status, self.headers = 500, list[tuple[bytes, bytes]]()

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        """Run the app to its end. Its exception is kept for the reader of the response."""
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            self._error = error
        finally:
            self._is_complete = self._is_complete or not self._started.is_set()  # a 500 response without content
            self._started.set()
            self._chunks.put_nowait(None)

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take one message of the app, and wait while the reader is MAX_CHUNKS_AHEAD parts behind."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
            self._started.set()
            return
        body = message.get("body", b"")
        if body and self._has_content:
            await self._room.acquire()
            self._chunks.put_nowait(body)
        if not message.get("more_body", False):
            self._is_complete = True
            self._disconnected.set()

    async def wait_for_start(self) -> None:
        """Return when the app has started its response, or has ended without one."""
        await self._started.wait()

    async def read_chunk(self) -> bytes | None:
        """Return the next part of the body; None when the app has ended. Raises RemoteProtocolError when it ended too early."""
        chunk = await self._chunks.get()
        if chunk is not None:
            self._room.release()
        elif not self._is_complete:
            raise httpx.RemoteProtocolError("The response broke off.") from self._error
        return chunk

    def disconnect(self) -> None:
        """Tell the app that the client reads no more of the response."""
        self._disconnected.set()


class _ResponseBody(httpx.AsyncByteStream):
    """The body of a response whose app runs in `task`. It ends when the app has ended; closing it earlier stops the app."""

    def __init__(self, exchange: _Exchange, task: asyncio.Task[None]) -> None:
        self._exchange, self._task = exchange, task

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._exchange.read_chunk()) is not None:
            yield chunk

    async def aclose(self) -> None:
        if not self._task.done():
            self._exchange.disconnect()
            asyncio.get_running_loop().call_soon(self._task.cancel)  # an app that waits for the disconnect sees it first
            await asyncio.wait([self._task])


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
