"""The app of the gateway."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware

from gateway_svc import routes
from gateway_svc.routes.proxy_middleware import ProxyMiddleware
from gateway_svc.routes.response_headers import ResponseHeadersMiddleware
from gateway_svc.settings import GatewaySettings
from gateway_svc.wiring import wire
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: GatewaySettings | None = None, *, overrides: Overrides | None = None) -> FastAPI:
    """Return the gateway as an ASGI app. Settings that are not given come from the environment, adapters from the settings."""
    settings = settings or GatewaySettings.read()
    app = create_service_app(settings, overrides or Overrides(), wire, *routes.routers, openapi_url=None)
    app.add_middleware(ResponseHeadersMiddleware, origins=settings.origins)
    # FastAPI's `add_middleware` adds the outermost middleware. Only ContentMiddleware, for the gateway's own routes, is inside of this one.
    app.user_middleware.insert(
        -1,
        Middleware(
            ProxyMiddleware,
            timeout_seconds=settings.deadline_seconds,
            body_timeout_seconds=settings.body_seconds,
            hidden_paths=frozenset() if settings.expose_metrics else frozenset({"/metrics"}),
            trusted_proxies=settings.proxy_networks,
        ),
    )
    return app
