"""How the FastAPI app of every service is created."""

from __future__ import annotations

import functools
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CollectorRegistry, generate_latest
from starlette.middleware import Middleware

from shared.contracts.identity import Service
from shared.contracts.refusals import Unavailable
from shared.kit import dead_letter_routes
from shared.kit.content_middleware import ContentMiddleware
from shared.kit.exception_handlers import install_exception_handlers
from shared.kit.logs import configure_logging
from shared.kit.openapi import install_openapi
from shared.kit.overrides import Overrides
from shared.kit.request_middleware import RequestMiddleware
from shared.kit.route_precedence import prefer_literal_segments
from shared.kit.settings import CommonSettings

Check = Callable[[], Awaitable[Any]]
S = TypeVar("S", bound=CommonSettings)
Wire = Callable[[FastAPI, S, Overrides], AbstractAsyncContextManager[None]]


def create_service_app(settings: S, overrides: Overrides, wire: Wire[S], *routers: APIRouter, **options: Any) -> FastAPI:
    """Return the ASGI app of one service.

    `wire` is the service's composition root, entered with the app's lifespan: it sets `app.state.verifier` and `app.state.idempotency`,
    provides the use cases, and appends to `app.state.checks` what readiness depends on. `options` are FastAPI's own.
    """
    configure_logging(settings.log_level)
    registry = CollectorRegistry()
    name = str(settings.service)
    app = FastAPI(title=name, version="1", lifespan=lambda app: wire(app, settings, overrides), docs_url=None, redoc_url=None, **options)
    app.router.redirect_slashes = False  # a redirect would reveal the internal host name to clients
    app.state.registry, app.state.checks, app.state.use_cases = registry, [], {}
    app.user_middleware = [Middleware(RequestMiddleware, service=name, registry=registry), Middleware(ContentMiddleware)]  # outermost first
    install_exception_handlers(app)
    kit_routers = (_operations_router(app, registry), *(() if settings.service is Service.GATEWAY else (dead_letter_routes.router,)))
    for router in (*routers, *kit_routers):
        app.router.routes.extend(router.routes)  # include_router would resolve each request through one more router
    prefer_literal_segments(app.router.routes)
    install_openapi(app)
    _freeze_garbage_collector(name)
    return app


@functools.cache
def _freeze_garbage_collector(_service: str) -> None:
    """Exclude all objects that exist now from garbage collection, once per service: a collection of them stalls every request for 50 ms."""
    gc.freeze()


def _operations_router(app: FastAPI, registry: CollectorRegistry) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        await _run_checks(app.state.checks)
        return {"status": "ok"}

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    return router


async def _run_checks(checks: Sequence[Check]) -> None:
    for check in checks:
        try:
            await check()
        except Exception:
            raise Unavailable("The store or the event bus of this service does not answer.", retry_after=2) from None
