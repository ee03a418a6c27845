"""Calls within the process: a response is read while the app produces it, and an app stops when nobody reads its response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kit.transport import MAX_CHUNKS_AHEAD, InProcessTransport

STREAM_LENGTH = 100


class StreamingApp:
    """An app that sends STREAM_LENGTH parts, each after `may_continue` is set. `sent` counts them; `end` says how the app ended."""

    def __init__(self) -> None:
        self.may_continue, self.ended = asyncio.Event(), asyncio.Event()
        self.may_continue.set()
        self.sent = 0
        self.end = "running"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            for number in range(STREAM_LENGTH):
                await self.may_continue.wait()
                await send({"type": "http.response.body", "body": b"%d " % number, "more_body": number < STREAM_LENGTH - 1})
                self.sent += 1
            self.end = "complete"
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise
        finally:
            self.ended.set()


@asynccontextmanager
async def calling(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app. Checks at the end that no task is left."""
    before = asyncio.all_tasks()
    async with httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://app") as http:
        yield http
    await let_others_run()  # the event loop closes the iterators that were left
    assert asyncio.all_tasks() <= before


async def read_first_part(response: httpx.Response) -> bytes:
    """Read the first part of a response, and leave the others."""
    return await anext(response.aiter_raw())


async def let_others_run() -> None:
    """Return when every other task has had many turns."""
    for _ in range(10 * STREAM_LENGTH):
        await asyncio.sleep(0)


async def test_the_first_part_is_read_before_the_second_is_produced() -> None:
    app = StreamingApp()
    async with calling(app) as http, http.stream("GET", "/") as response:
        parts = response.aiter_raw()
        assert await anext(parts) == b"0 "
        app.may_continue.clear()
        with suppress(StopAsyncIteration):
            for _ in range(app.sent - 1):
                await anext(parts)
        sent = app.sent
        assert sent < STREAM_LENGTH
        app.may_continue.set()
        assert await anext(parts) == b"%d " % sent
        assert len([part async for part in parts]) == STREAM_LENGTH - sent - 1
    assert app.end == "complete"


async def test_a_slow_reader_holds_the_app() -> None:
    app = StreamingApp()
    async with calling(app) as http, http.stream("GET", "/") as response:
        parts = response.aiter_raw()
        for read in range(1, 20):
            await anext(parts)
            await let_others_run()
            assert read < app.sent <= read + MAX_CHUNKS_AHEAD
        assert [part async for part in parts][-1] == b"99 "


async def test_an_app_is_stopped_when_its_response_is_closed_early() -> None:
    app = StreamingApp()
    async with calling(app) as http:
        async with http.stream("GET", "/") as response:
            assert await read_first_part(response)
        assert app.end == "cancelled"
        assert app.sent <= 1 + MAX_CHUNKS_AHEAD


async def test_an_app_that_waits_for_the_disconnect_sees_it_when_its_response_is_closed_early() -> None:
    seen: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        seen.append(await receive())
        await send({"type": "http.response.body", "body": b"b"})

    async with calling(app) as http, http.stream("GET", "/") as response:
        assert await read_first_part(response)
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]


async def test_a_caller_that_is_cancelled_before_or_during_the_response_stops_the_app() -> None:
    app = StreamingApp()
    app.may_continue.clear()
    async with calling(app) as http:
        reading = asyncio.create_task(http.get("/"))
        await let_others_run()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert app.end == "cancelled"
    started, stopped = asyncio.Event(), asyncio.Event()

    async def silent_app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with calling(silent_app) as http:
        reading = asyncio.create_task(http.get("/"))
        await started.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await stopped.wait()


async def test_an_error_before_the_response_is_a_500_and_later_breaks_it_off() -> None:
    async def failing_app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] != "/at-once":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": scope["path"] != "/complete"})
        if scope["path"] != "/returns":
            raise ValueError

    async with calling(failing_app) as http:
        failed = await http.get("/at-once")
        assert (failed.status_code, failed.content) == (500, b"")
        for path in ("/later", "/returns"):
            with pytest.raises(httpx.RemoteProtocolError):
                await http.get(path)
        assert (await http.get("/complete")).content == b"a"


async def test_head_has_no_content_and_the_app_runs_to_its_end() -> None:
    app = StreamingApp()
    async with calling(app) as http:
        response = await http.head("/")
        assert (response.status_code, response.content, app.end) == (200, b"", "complete")
