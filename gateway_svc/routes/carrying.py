"""Carries one request to its service and the answer back, as they come."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Receive, Scope, Send

from gateway_svc.domain.headers import Headers, downward, upward
from gateway_svc.domain.table import Entry
from gateway_svc.ports import Answer, Call, Lost
from gateway_svc.routes.limits import Body, ClientGone, raw_path
from gateway_svc.usecases.forwarding import Services
from shared.contracts.refusals import Refusal
from shared.kit.deadlines import deadline
from shared.kit.logs import log, request_id, traceparent

# A client that takes longer than this for its answer is not reading it.
DELIVERY_SECONDS = 60.0
WATCHED_AFTER_SECONDS = 0.05


async def carry(entry: Entry, scope: Scope, body: Body, receive: Receive, send: Send) -> None:
    """Raises a refusal only while nothing of the answer was sent; afterwards an answer that breaks off ends the connection."""
    services: Services = scope["app"].state.services
    call = await _call(scope, body)
    begun = False
    try:
        async with _Watch(body, receive, _left() + DELIVERY_SECONDS), services.asked(entry.service, call, _left()) as answer:
            begun = True
            await _delivered(answer, send)
    except (Lost, Refusal, TimeoutError) as why:
        if not begun:
            raise
        # Returning without the end of the answer makes the server close the connection, so that nobody takes it for whole.
        log.warning("answer broke off", extra={"facts": {"service": entry.service, "why": repr(why)}})


def _left() -> float:
    """Seconds until this request must be answered."""
    return max((deadline.get() or 0.0) - time.monotonic(), 0.001)


async def _call(scope: Scope, body: Body) -> Call:
    first = await body.first()
    query = scope["query_string"]
    target = raw_path(scope) + b"?" + query if query else raw_path(scope)
    rest = None if body.complete else body.rest()
    return Call(scope["method"], target, _headers(scope), first, rest, body.length)


def _headers(scope: Scope) -> Headers:
    """The client's headers that may pass, and what this door says itself."""
    headers = upward(scope["headers"])
    headers.append((b"x-timeout-ms", b"%d" % max(int(_left() * 1000), 1)))
    headers.append((b"x-request-id", (request_id.get() or "-").encode()))
    if scope.get("client"):
        headers.append((b"x-forwarded-for", scope["client"][0].encode()))
    if trace := traceparent.get():
        headers.append((b"traceparent", trace.encode()))
    return headers


async def _delivered(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": downward(answer.headers)})
    more = True
    while more:
        chunk = await answer.read() if answer.more else b""
        more = answer.more
        await send({"type": "http.response.body", "body": chunk, "more_body": more})


class _Watch:
    """Ends what is under way when the client hangs up, or after `seconds`. It begins to watch late: most answers come sooner."""

    def __init__(self, body: Body, receive: Receive, seconds: float) -> None:
        self._body, self._receive = body, receive
        self._timeout = asyncio.timeout(seconds)
        self._task: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._timer = asyncio.get_running_loop().call_later(WATCHED_AFTER_SECONDS, self._start)

    def _start(self) -> None:
        self._task = asyncio.create_task(self._watched())

    async def _watched(self) -> None:
        await self._body.ended.wait()  # until then the body's reader hears of it
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(self, *why: object) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        try:
            await self._timeout.__aexit__(*why)  # type: ignore[arg-type]
        except TimeoutError:
            if self._gone:
                raise ClientGone from None
            raise
