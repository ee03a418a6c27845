"""The app of the gateway."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware

from gateway_svc import routes
from gateway_svc.routes.door import Door
from gateway_svc.routes.dressing import Dressed
from gateway_svc.settings import GatewaySettings
from gateway_svc.wiring import wire
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: GatewaySettings | None = None, *, overrides: Overrides | None = None) -> FastAPI:
    """The service as an ASGI app; without settings they come from the environment, without overrides it stands alone."""
    chosen = settings or GatewaySettings.read()
    app = create_service_app(chosen, overrides or Overrides(), wire, *routes.routers, openapi_url=None)
    closed = frozenset() if chosen.expose_metrics else frozenset({"/metrics"})
    app.add_middleware(Dressed, origins=chosen.origins)
    # The last one stands inside of the walls, next to FastAPI.
    door = Middleware(Door, deadline_seconds=chosen.deadline_seconds, body_seconds=chosen.body_seconds, closed=closed)
    app.user_middleware.append(door)
    return app
