"""Forwards one request to its service and streams the response back to the client."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.types import Scope, Send

from gateway_svc.domain.headers import Headers, forwarded_request_headers, forwarded_response_headers
from gateway_svc.ports import ConnectionLost, UpstreamRequest, UpstreamResponse
from gateway_svc.routes.request_body import ClientDisconnected, RequestBody
from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.contracts.identity import Service
from shared.contracts.refusals import Refusal
from shared.kit.deadlines import deadline
from shared.kit.error_texts import describe_error
from shared.kit.logs import log_event, request_id, traceparent

# A client that takes longer than this to receive a response is not reading it.
DELIVERY_TIMEOUT_SECONDS = 60.0
WATCH_AFTER_SECONDS = 0.05


async def build_upstream_request(scope: Scope, body: RequestBody) -> UpstreamRequest:
    """Return the request for the service: the client's target and body, the forwarded headers and those of the gateway."""
    first_part = await body.read_first_part()
    query = scope["query_string"]
    target = raw_path(scope) + b"?" + query if query else raw_path(scope)
    remaining_body = None if body.is_complete else body.remaining_parts()
    return UpstreamRequest(
        scope["method"], target, _upstream_headers(scope), first_part, remaining_body, body.length, lambda: body.is_complete
    )


def _upstream_headers(scope: Scope) -> Headers:
    headers = forwarded_request_headers(scope["headers"])
    headers.append((b"x-timeout-ms", b"%d" % max(int(_seconds_left() * 1000), 1)))
    headers.append((b"x-request-id", (request_id.get() or "-").encode()))
    if scope.get("client"):
        headers.append((b"x-forwarded-for", scope["client"][0].encode()))
    if trace := traceparent.get():
        headers.append((b"traceparent", trace.encode()))
    return headers


def raw_path(scope: Scope) -> bytes:
    """Return the path exactly as the client sent it."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    return path


async def forward_request(service: Service, request: UpstreamRequest, body: RequestBody, scope: Scope, send: Send) -> None:
    """Forward the request and send the service's response to the client.

    Raises ClientDisconnected at any time, and a refusal only before the response has begun. If the response breaks off later, the
    client's connection is closed.
    """
    services: UpstreamServices = scope["app"].state.use_cases[UpstreamServices]
    timeout_seconds = _seconds_left()
    is_response_started = False
    try:
        async with (
            _ClientWatch(body, timeout_seconds + DELIVERY_TIMEOUT_SECONDS),
            services.forward(service, request, timeout_seconds) as response,
        ):
            is_response_started = True
            await _send_response(response, send)
    except (ConnectionLost, Refusal, TimeoutError) as error:
        if not is_response_started:
            raise
        # Returning before the response is complete makes uvicorn close the connection, so the client sees that it broke off.
        log_event("response_broke_off", logging.WARNING, service=service, reason=describe_error(error))


def _seconds_left() -> float:
    """Return the seconds that are left until the service's response must have begun."""
    return max((deadline.get() or 0.0) - time.monotonic(), 0.001)


async def _send_response(response: UpstreamResponse, send: Send) -> None:
    headers = forwarded_response_headers(response.headers)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    has_more = True
    while has_more:
        chunk = await response.read_chunk() if response.has_more else b""
        has_more = response.has_more
        await send({"type": "http.response.body", "body": chunk, "more_body": has_more})


class _ClientWatch:
    """Interrupts its block with ClientDisconnected when the client disconnects, and with TimeoutError after `timeout_seconds`.

    Begins to watch the client after 50 ms: most blocks are left earlier, and then the watching task need not be created.
    """

    def __init__(self, body: RequestBody, timeout_seconds: float) -> None:
        self._body = body
        self._timeout = asyncio.timeout(timeout_seconds)
        self._task: asyncio.Task[None] | None = None
        self._is_disconnected = False

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._start_watching)

    def _start_watching(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        await self._body.wait_for_disconnect()
        self._is_disconnected = True
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(self, *exception: object) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        try:
            await self._timeout.__aexit__(*exception)  # type: ignore[arg-type]
        except TimeoutError:
            if self._is_disconnected:
                raise ClientDisconnected from None
            raise
