"""The app of appointment-service."""

from __future__ import annotations

from fastapi import FastAPI

from appointment_svc import routes
from appointment_svc.settings import Settings
from appointment_svc.wiring import wire
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: Settings | None = None, *, plugs: Overrides | None = None) -> FastAPI:
    """The service as an ASGI app; without settings they come from the environment, without plugs it stands alone."""
    chosen, given = settings or Settings.read(), plugs or Overrides()
    return create_service_app(Settings.service, lambda app: wire(app, chosen, given), *routes.routers)
