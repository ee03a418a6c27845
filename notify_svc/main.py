"""The app of notification-service."""

from __future__ import annotations

from fastapi import FastAPI

from notify_svc import routes
from notify_svc.settings import NotifySettings
from notify_svc.wiring import wire
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: NotifySettings | None = None, *, overrides: Overrides | None = None) -> FastAPI:
    """Return the service as an ASGI app. Settings that are not given come from the environment, adapters from the settings."""
    app = create_service_app(settings or NotifySettings.read(), overrides or Overrides(), wire, *routes.routers)
    app.webhooks.routes.extend(routes.webhook_descriptions.routes)
    return app
