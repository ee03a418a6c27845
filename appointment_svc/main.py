"""The app of appointment-service."""

from __future__ import annotations

from fastapi import FastAPI

from appointment_svc import routes
from appointment_svc.settings import AppointmentSettings
from appointment_svc.wiring import wire
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: AppointmentSettings | None = None, *, overrides: Overrides | None = None) -> FastAPI:
    """Return the service as an ASGI app. Settings that are not given come from the environment, adapters from the settings."""
    return create_service_app(settings or AppointmentSettings.read(), overrides or Overrides(), wire, *routes.routers)
