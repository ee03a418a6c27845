"""The app of the gateway."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware

from gateway_svc import routes
from gateway_svc.routes.proxy_middleware import ProxyMiddleware
from gateway_svc.routes.response_headers import ResponseHeadersMiddleware
from gateway_svc.settings import Settings
from gateway_svc.wiring import wired
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: Settings | None = None, *, plugs: Overrides | None = None) -> FastAPI:
    """The service as an ASGI app; without settings they come from the environment, without plugs it stands alone."""
    chosen, given = settings or Settings.read(), plugs or Overrides()
    app = create_service_app(Settings.service, lambda app: wired(app, chosen, given), *routes.routers, openapi_url=None)
    app.add_middleware(ResponseHeadersMiddleware, origins=chosen.origins)
    proxy = Middleware(
        ProxyMiddleware,
        timeout_seconds=chosen.deadline_seconds,
        body_timeout_seconds=chosen.body_seconds,
        hidden_paths=frozenset() if chosen.expose_metrics else frozenset({"/metrics"}),
    )
    app.user_middleware.append(proxy)  # Starlette's own method would make it the outermost middleware; it must be the innermost.
    return app
