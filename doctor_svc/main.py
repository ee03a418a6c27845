"""The app of doctor-service."""

from __future__ import annotations

from fastapi import FastAPI

from doctor_svc import routes
from doctor_svc.settings import DoctorSettings
from doctor_svc.wiring import wire
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: DoctorSettings | None = None, *, overrides: Overrides | None = None) -> FastAPI:
    """Return the service as an ASGI app. Settings that are not given come from the environment, adapters from the settings."""
    return create_service_app(settings or DoctorSettings.read(), overrides or Overrides(), wire, *routes.routers)
