"""The app of notification-service."""

from __future__ import annotations

from fastapi import FastAPI

from notify_svc.settings import Settings
from notify_svc.wiring import wired
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: Settings | None = None, *, plugs: Overrides | None = None) -> FastAPI:
    """The service as an ASGI app; without settings they come from the environment, without plugs it stands alone."""
    chosen, given = settings or Settings.read(), plugs or Overrides()
    return create_service_app(Settings.service, lambda app: wired(app, chosen, given))
