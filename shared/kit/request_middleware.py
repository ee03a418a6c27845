"""The middleware of every service: request id, trace and deadline, one log line and two metrics per request, and crashes as a bare 500."""

from __future__ import annotations

import re
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kit.deadlines import deadline
from shared.kit.exception_handlers import internal_error_response
from shared.kit.ids import new_id
from shared.kit.logs import log_event, request_id, traceparent
from shared.kit.start_failures import without_traceback_of_settings

REQUEST_ID = re.compile(rb"(?i:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,64})|[0-7][0-9A-HJKMNP-TV-Z]{25}")
"""A UUID, 16 to 64 hexadecimal digits, or a ULID. The id goes into log and audit trail, where free text could name a patient."""
TIMEOUT_MS = re.compile(rb"[0-9]{1,5}")
TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
MAX_SECONDS = 20.0
UNLOGGED_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})


class RequestMetrics:
    """Prometheus metrics of requests. Labelled metrics are cached, because looking them up costs more than counting."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter("http_requests", "Requests answered", ["method", "route", "status"], registry=registry)
        self._seconds = Histogram("http_request_seconds", "Time to answer", ["route"], registry=registry)
        self._labelled: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        key = method, route, status
        labelled = self._labelled.get(key)
        if labelled is None:
            labelled = self._labelled[key] = self._requests.labels(*key), self._seconds.labels(route)
        counter, histogram = labelled
        counter.inc()
        histogram.observe(seconds)


class RequestMiddleware:
    """Gives each request an id, a trace and a deadline, and logs and counts it. Answers an unexpected exception with a bare 500."""

    def __init__(self, app: ASGIApp, service: str, registry: CollectorRegistry) -> None:
        self.app, self.service, self.metrics = app, service, RequestMetrics(registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, without_traceback_of_settings(send))
            return
        started = time.perf_counter()
        id_header, tokens = _set_context(scope)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], id_header]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            response = internal_error_response(scope["path"], error)
            if not status:
                await response(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - started)
            for variable, token in tokens:
                variable.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self.metrics.observe(scope["method"], route, status, seconds)
        if route not in UNLOGGED_ROUTES:
            log_event("request", service=self.service, method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))


def _set_context(scope: Scope) -> tuple[tuple[bytes, bytes], list[tuple[Any, Any]]]:
    """Set request id, trace and deadline from the headers.

    Returns the response header with the id, and the context variables with the tokens that reset them.
    """
    sent_id = trace = timeout = None
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sent_id = value if REQUEST_ID.fullmatch(value) else None
        elif name == b"traceparent":
            trace = value if TRACEPARENT.fullmatch(value) else None
        elif name == b"x-timeout-ms":
            timeout = value if TIMEOUT_MS.fullmatch(value) else None
    chosen_id = sent_id.decode() if sent_id else str(new_id())
    seconds = min(int(timeout) / 1000, MAX_SECONDS) if timeout else MAX_SECONDS
    tokens: list[tuple[Any, Any]] = [
        (request_id, request_id.set(chosen_id)),
        (traceparent, traceparent.set(trace.decode() if trace else None)),
        (deadline, deadline.set(time.monotonic() + seconds)),
    ]
    return (b"x-request-id", chosen_id.encode()), tokens
