"""The walls around every service: request ids, one log line per request, metrics, problem documents, health."""

from __future__ import annotations

import functools
import gc
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from shared.contracts.refusals import Unavailable
from shared.kit import exception_handlers
from shared.kit.deadlines import deadline
from shared.kit.ids import new_id
from shared.kit.logs import configure_logging, log_event, request_id, traceparent
from shared.kit.openapi import install_openapi

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
TIMEOUT_MS = re.compile(rb"[0-9]{1,5}")
LONGEST_SECONDS = 20.0
TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
Check = Callable[[], Awaitable[Any]]


class RequestMiddleware:
    """Gives each request an id, counts and logs it, and turns a crash into a bare 500."""

    def __init__(self, app: ASGIApp, service: str, registry: CollectorRegistry) -> None:
        self.app, self.service = app, service
        self.requests = Counter("http_requests", "Requests answered", ["method", "route", "status"], registry=registry)
        self.seconds = Histogram("http_request_seconds", "Time to answer", ["route"], registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        asked = request_id.set(_sane(scope, b"x-request-id", REQUEST_ID) or str(new_id()))
        traced = traceparent.set(_sane(scope, b"traceparent", TRACEPARENT))
        given = _sane(scope, b"x-timeout-ms", TIMEOUT_MS)
        until = deadline.set(time.monotonic() + min(int(given) / 1000 if given else LONGEST_SECONDS, LONGEST_SECONDS))
        try:
            await self._walled(scope, receive, send)
        finally:
            request_id.reset(asked)
            traceparent.reset(traced)
            deadline.reset(until)

    async def _walled(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 0
        named = (b"x-request-id", (request_id.get() or "").encode())

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], named]}
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception:
            answer = exception_handlers.crashed(scope["path"])
            if not status:
                await answer(scope, receive, sending)
        self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self.requests.labels(scope["method"], route, status).inc()
        self.seconds.labels(route).observe(seconds)
        if route not in ("/livez", "/readyz", "/metrics"):
            log_event("request", service=self.service, method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))


def _sane(scope: Scope, name: bytes, form: re.Pattern[bytes]) -> str | None:
    value: bytes = next((value for key, value in scope["headers"] if key == name), b"")
    return value.decode() if form.fullmatch(value) else None


def create_service_app(service: str, lifespan: Lifespan[FastAPI], *routers: APIRouter, **options: Any) -> FastAPI:
    """The app of one service. Its lifespan sets `app.state` (`verifier`, `answers`, `checks`, use cases). `options` are FastAPI's."""
    configure_logging()
    registry = CollectorRegistry()
    options |= {"lifespan": lifespan, "docs_url": None, "redoc_url": None, "generate_unique_id_function": _operation_id}
    app = FastAPI(title=service, version="1", **options)
    app.router.redirect_slashes = False  # `/doctors/` does not exist; a redirect would name this host to strangers
    app.state.registry, app.state.checks = registry, []
    app.add_middleware(RequestMiddleware, service=service, registry=registry)
    exception_handlers.install(app)
    for router in (*routers, _operations(app, registry)):
        app.include_router(router)
    install_openapi(app)
    _set_aside(service)
    return app


@functools.cache
def _set_aside(_service: str) -> None:
    """What is loaded by now stays: the garbage collector need not walk over it again, which stalls every request for 50 ms."""
    gc.freeze()


def _operation_id(route: APIRoute) -> str:
    return route.name


def _operations(app: FastAPI, registry: CollectorRegistry) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        await _all(app.state.checks)
        return {"status": "ok"}

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    return router


async def _all(checks: Sequence[Check]) -> None:
    for check in checks:
        try:
            await check()
        except Exception:
            raise Unavailable("Its own store or bus does not answer.", retry_after=2) from None
